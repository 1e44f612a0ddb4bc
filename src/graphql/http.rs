//! GraphQL over HTTP: what `/graphql` answers, to the letter of the GraphQL foundation's draft.
//!
//! One handler for every method. It chooses the representation, reads the parameters, hands them to the engine, and
//! turns the outcome into status, headers and body; pages, events and sockets have files of their own. Every error
//! is a GraphQL answer with a code, without `data` where nothing was executed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts as _, Request, WebSocketUpgrade};
use axum::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, UPGRADE, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use super::body;
use super::idempotency::REPLAYED;
use super::negotiation::{Representation, negotiate};
use super::operation::{
    Caller, Execute, GraphQLParams, InvalidParams, Outcome, Refusal, Transport,
};
use super::page::FrontPage;
use super::sse::{self, SseSettings};
use super::websocket::{self, WebSocketSettings};
use crate::admission;
use crate::caller_limits::{CallerLimits, REQUEST_COST};
use crate::error::ErrorCode;
use crate::etag::ContentHash;
use crate::headers::list;
use crate::request_id::RequestId;
use crate::shutdown::Shutdown;
use graphql_guard::shorten;

/// All that `/graphql` needs.
#[derive(Clone)]
pub struct Endpoint<E> {
    /// What runs the operations.
    pub execute: E,
    /// What a browser gets.
    pub page: FrontPage,
    /// The longest body of a request, in bytes, after decompression; then 413.
    pub max_body_bytes: usize,
    /// The longest time until all of it is here; then 503.
    pub body_timeout: Duration,
    /// `Cache-Control` of what a query by GET answers without an error, to a caller who shows no token.
    pub cache_control: HeaderValue,
    /// How much callers may take.
    pub limits: CallerLimits,
    /// How event streams are kept up.
    pub sse: SseSettings,
    /// The limits of a socket.
    pub websocket: Arc<WebSocketSettings>,
    /// When streams and sockets are to end.
    pub shutdown: Shutdown,
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS, POST");

/// What a token has opened is for its bearer alone, whatever the setting says.
pub(crate) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Where it is served.
pub const PATH: &str = "/graphql";

/// Answers a request of any method.
pub async fn serve<E: Execute>(endpoint: &Endpoint<E>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_upgrade = parts.method == Method::GET && asks_for_websocket(&parts.headers);
    match parts.method {
        Method::GET if is_upgrade => endpoint.open_socket(parts).await,
        Method::GET | Method::HEAD => negotiated(Box::pin(endpoint.get(parts)).await, true),
        Method::POST => negotiated(endpoint.post(parts, body).await, false),
        Method::OPTIONS => (StatusCode::NO_CONTENT, [(ALLOW, METHODS)]).into_response(),
        method => {
            let method = shorten::of(method.as_str());
            let message = format!("{method} is not served here; ask by GET or POST");
            let mut refusal = bad_request(StatusCode::METHOD_NOT_ALLOWED, &message);
            refusal.headers.insert(ALLOW, METHODS);
            refused(&refusal, Representation::Json)
        }
    }
}

/// What all answers have in common whose representation was chosen by `Accept`. Nothing that came by GET is kept
/// by a cache unless it says so itself: some statuses of errors would be.
fn negotiated(mut response: Response, by_get: bool) -> Response {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("accept"));
    if by_get {
        headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
    }
    response
}

impl<E: Execute> Endpoint<E> {
    async fn get(&self, mut parts: Parts) -> Response {
        use Representation::{EventStream, GraphQLResponse, Html, Json};
        let offered = [Html, EventStream, Json, GraphQLResponse];
        let Some(representation) = negotiate(&parts.headers, &offered) else {
            return not_acceptable();
        };
        if representation == Html {
            return self.page.answer();
        }
        let uri = std::mem::take(&mut parts.uri);
        match self.admitted(parts).await {
            Ok(caller) => {
                let response = self.by_get(&uri, &caller, representation).await;
                with_rate_limit(response, &caller)
            }
            Err(refusal) => refused(&refusal, representation),
        }
    }

    async fn by_get(&self, uri: &Uri, caller: &Caller, representation: Representation) -> Response {
        let params = match GraphQLParams::from_url_query(uri.query().unwrap_or_default()) {
            Ok(params) => params,
            Err(error) => return refused(&error.into(), representation),
        };
        if representation == Representation::EventStream {
            return self.events(params, caller, Transport::SseGet).await;
        }
        let transport = Transport::HttpGet;
        match self.execute.execute(params, caller, transport).await {
            Outcome::Single(body) if !body.has_errors => {
                let hash = ContentHash::of(&representation.content_type(), &body.json);
                let mut response = answered(body.json, representation);
                let headers = response.headers_mut();
                let caching = match caller.headers.contains_key(AUTHORIZATION) {
                    true => PRIVATE,
                    false => self.cache_control.clone(),
                };
                headers.insert(CACHE_CONTROL, caching);
                // Who comes with a token that is not valid is not to get what a cache keeps for those without one.
                headers.append(VARY, HeaderValue::from_static("authorization"));
                response.extensions_mut().insert(hash);
                response
            }
            outcome => conclude(outcome, representation),
        }
    }

    async fn post(&self, parts: Parts, body: Body) -> Response {
        use Representation::{EventStream, GraphQLResponse, Json};
        let offered = [GraphQLResponse, EventStream, Json];
        let Some(representation) = negotiate(&parts.headers, &offered) else {
            return not_acceptable();
        };
        match self.admitted(parts).await {
            Ok(caller) => {
                let response = self.by_post(body, &caller, representation).await;
                with_rate_limit(response, &caller)
            }
            Err(refusal) => refused(&refusal, representation),
        }
    }

    async fn by_post(
        &self,
        body: Body,
        caller: &Caller,
        representation: Representation,
    ) -> Response {
        // Until the operation has been executed.
        let mut held = self.limits.bodies().hold();
        let counted = |bytes| {
            let owner = || self.limits.network(caller.peer, &caller.headers);
            held.add(bytes, owner)
        };
        let read = body::read_json(&caller.headers, body, self.max_body_bytes, counted);
        let read = tokio::time::timeout(self.body_timeout, read).await;
        let body = match read.unwrap_or_else(|_| Err(body::out_of_time())) {
            Ok(body) => body,
            Err(refusal) => return refused(&refusal, representation),
        };
        if representation == Representation::EventStream {
            return match GraphQLParams::from_json(&body) {
                Ok(params) => self.events(params, caller, Transport::SsePost).await,
                Err(error) => refused(&error.into(), representation),
            };
        }
        let transport = Transport::HttpPost;
        match self.execute.execute_json(&body, caller, transport).await {
            Ok(outcome) => conclude(outcome, representation),
            Err(error) => refused(&error.into(), representation),
        }
    }

    /// Who asks. Of those who may do nothing, or have nothing left to spend, nothing but the head is read.
    async fn admitted(&self, parts: Parts) -> Result<Caller, Refusal> {
        let admitted = self.execute.admit(&parts.headers, None).await?;
        let caller = caller(parts, admitted);
        caller.charge(&self.limits, REQUEST_COST)?;
        Ok(caller)
    }

    async fn events(&self, params: GraphQLParams, caller: &Caller, by: Transport) -> Response {
        let (execute, stop) = (self.execute.clone(), self.shutdown.token().clone());
        sse::respond(execute, params, caller, by, self.sse, stop).await
    }

    async fn open_socket(&self, mut parts: Parts) -> Response {
        match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => {
                // Who it is, the socket's `connection_init` says.
                let caller = caller(parts, admission::Caller::default());
                let (execute, settings) = (self.execute.clone(), Arc::clone(&self.websocket));
                let limits = self.limits.clone();
                websocket::upgrade(upgrade, execute, caller, settings, limits, &self.shutdown)
            }
            Err(rejection) => {
                let refusal = bad_request(rejection.status(), &rejection.body_text());
                refused(&refusal, Representation::Json)
            }
        }
    }
}

/// The response with what its caller has left to spend, where callers are charged.
fn with_rate_limit(mut response: Response, caller: &Caller) -> Response {
    if let Some(rate_limit) = caller.rate_limit.get() {
        rate_limit.write_unless_there(response.headers_mut());
    }
    response
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    list(headers, UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

fn caller(mut parts: Parts, admitted: admission::Caller) -> Caller {
    let id = parts.extensions.remove();
    let peer = parts.extensions.get().copied();
    Caller {
        peer: peer.unwrap_or_default(),
        last_event_id: sse::last_event_id(&parts.headers),
        request_id: id.unwrap_or_else(|| RequestId::of(&parts.headers)),
        headers: parts.headers,
        connection_init: None,
        admitted,
        rate_limit: OnceLock::new(),
    }
}

/// The answer to a caller that did not ask for events.
fn conclude(outcome: Outcome, representation: Representation) -> Response {
    match outcome {
        Outcome::Refused(refusal) | Outcome::NotBegun(refusal) => refused(&refusal, representation),
        Outcome::Single(body) => answered(body.json, representation),
        Outcome::Replayed(body) => {
            ([REPLAYED], answered(body.json, representation)).into_response()
        }
        Outcome::Stream(_) => {
            let message = "a subscription needs a WebSocket, or `Accept: text/event-stream`";
            let refusal = bad_request(StatusCode::BAD_REQUEST, message);
            refused(&refusal, representation)
        }
    }
}

/// Whatever the fields' errors, an operation that was executed is a success of HTTP's.
fn answered(body: Bytes, representation: Representation) -> Response {
    let mut response = Response::new(Body::from(body));
    let content_type = representation.content_type();
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The answer to a request that is not carried out.
fn refused(refusal: &Refusal, representation: Representation) -> Response {
    let representation = match representation {
        Representation::GraphQLResponse => representation,
        _ => Representation::Json,
    };
    let mut response = answered(refusal.body(), representation);
    *response.status_mut() = status(refusal, representation);
    response.headers_mut().extend(refusal.headers.clone());
    response
}

/// In `application/json` a well-formed request has 200, although its document may be wrong. What is no GraphQL
/// request at all keeps its status, and so does what proxies and clients act upon (401, 405, 429, 503).
fn status(refusal: &Refusal, representation: Representation) -> StatusCode {
    let is_of_the_document =
        refusal.status == StatusCode::BAD_REQUEST && !refusal.has(ErrorCode::BadRequest);
    match representation {
        Representation::Json if is_of_the_document => StatusCode::OK,
        _ => refusal.status,
    }
}

fn not_acceptable() -> Response {
    let message = "the media types available are application/graphql-response+json, application/json, \
        text/event-stream and, by GET, text/html";
    let refusal = bad_request(StatusCode::NOT_ACCEPTABLE, message);
    refused(&refusal, Representation::Json)
}

pub(super) fn bad_request(status: StatusCode, message: &str) -> Refusal {
    Refusal::new(status, ErrorCode::BadRequest, message)
}

/// The same form for what is refused elsewhere than at `/graphql`, or before it was reached.
pub(crate) fn refusal(status: StatusCode, code: ErrorCode, message: &str) -> Response {
    let refusal = Refusal::new(status, code, message);
    refused(&refusal, Representation::Json)
}

/// What somebody is told who is not admitted elsewhere than at `/graphql`. No cache keeps it.
pub(crate) fn rejected(rejection: impl Into<Refusal>) -> Response {
    let mut response = refused(&rejection.into(), Representation::Json);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// The answer where something is our fault.
pub(crate) fn internal_error(id: &RequestId) -> Response {
    refused(&Refusal::internal(id), Representation::Json)
}

impl From<InvalidParams> for Refusal {
    fn from(error: InvalidParams) -> Self {
        bad_request(StatusCode::BAD_REQUEST, &error.to_string())
    }
}
