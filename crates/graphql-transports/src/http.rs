//! GraphQL over HTTP, strictly following the GraphQL foundation's draft: how an [`Endpoint`] responds to a request.
//!
//! One handler serves every method. It negotiates the representation, reads the parameters, passes them to the
//! pipeline, and turns the outcome into status, headers and body; other files implement the page, event streams and
//! sockets. Every error is a GraphQL response with a code, without `data` where nothing was executed.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequestParts as _, Request, WebSocketUpgrade};
use axum::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, UPGRADE, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use graphql_guard::truncate;
use uuid::Uuid;

use super::body::{self, BodyLimits};
use super::endpoint::Endpoint;
use super::error::ErrorCode;
use super::etag::ContentHash;
use super::headers::list;
use super::idempotency::REPLAYED;
use super::limits::{LimitCallers as _, REQUEST_COST};
use super::negotiation::{Representation, negotiate};
use super::operation::{
    Caller, Execute, GraphQLParams, InvalidParams, Outcome, PeerAddress, Transport,
};
use super::rejection::Rejection;
use super::request_id::RequestId;
use super::{sse, websocket};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS, POST");

/// `Cache-Control` of responses to requests with a token: only for that caller, whatever the setting says.
pub const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Responds to a request of any method. The extensions of the response contain the hash for its `ETag`, see
/// [`etag`](super::etag).
pub async fn serve<E: Execute>(endpoint: &Endpoint<E>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_upgrade = parts.method == Method::GET && asks_for_websocket(&parts.headers);
    match parts.method {
        Method::GET if is_upgrade => Box::pin(endpoint.open_socket(parts)).await,
        Method::GET | Method::HEAD => negotiated(Box::pin(endpoint.get(parts)).await, true),
        Method::POST => negotiated(endpoint.post(parts, body).await, false),
        Method::OPTIONS => (StatusCode::NO_CONTENT, [(ALLOW, METHODS)]).into_response(),
        method => {
            let method = truncate::of(method.as_str());
            let message = format!("{method} is not supported here; use GET or POST");
            let mut rejection = Rejection::bad_request(StatusCode::METHOD_NOT_ALLOWED, message);
            rejection.headers.insert(ALLOW, METHODS);
            rejected(&rejection, Representation::Json)
        }
    }
}

/// Headers of all responses that were negotiated by `Accept`. No response to a GET may be cached by default: caches
/// would otherwise store some error statuses.
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
        let offered = match self.page {
            Some(_) => &offered[..],
            None => &offered[1..],
        };
        let Some(representation) = negotiate(&parts.headers, offered) else {
            return not_acceptable();
        };
        if let (Html, Some(page)) = (representation, &self.page) {
            return page.response();
        }
        let uri = std::mem::take(&mut parts.uri);
        match self.admitted(parts).await {
            Ok(caller) => {
                let response = self.by_get(&uri, &caller, representation).await;
                with_rate_limit(response, &caller)
            }
            Err(rejection) => rejected(&rejection, representation),
        }
    }

    async fn by_get(
        &self,
        uri: &Uri,
        caller: &Caller<E::Admitted>,
        representation: Representation,
    ) -> Response {
        let params = match GraphQLParams::from_url_query(uri.query().unwrap_or_default()) {
            Ok(params) => params,
            Err(error) => return rejected(&error.into(), representation),
        };
        if representation == Representation::EventStream {
            return self.events(params, caller, Transport::SseGet).await;
        }
        let transport = Transport::HttpGet;
        match self.execute.execute(params, caller, transport).await {
            Outcome::Single(body) if !body.has_errors => {
                let hash = ContentHash::of(&representation.content_type(), &body.json);
                let mut response = respond(body.json, representation);
                let headers = response.headers_mut();
                let caching = match caller.headers.contains_key(AUTHORIZATION) {
                    true => PRIVATE,
                    false => self.cache_control.clone(),
                };
                headers.insert(CACHE_CONTROL, caching);
                // A cache must not serve a response for anonymous callers to a caller whose token is invalid.
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
            Err(rejection) => rejected(&rejection, representation),
        }
    }

    async fn by_post(
        &self,
        body: Body,
        caller: &Caller<E::Admitted>,
        representation: Representation,
    ) -> Response {
        let limits = self.execute.limits();
        // The bytes count until the operation has been executed.
        let mut held = limits.hold();
        let counted = |bytes| limits.add(&mut held, bytes, caller).map_err(Into::into);
        let body_limits = BodyLimits {
            max_bytes: self.max_body_bytes,
            decoded: self.decoded.as_ref(),
        };
        let read = body::read_json(&caller.headers, body, body_limits, counted);
        let read = tokio::time::timeout(self.body_timeout, read).await;
        let body = match read.unwrap_or_else(|_| Err(body::body_timed_out())) {
            Ok(body) => body,
            Err(rejection) => return rejected(&rejection, representation),
        };
        if representation == Representation::EventStream {
            return match GraphQLParams::from_json(&body) {
                Ok(params) => self.events(params, caller, Transport::SsePost).await,
                Err(error) => rejected(&error.into(), representation),
            };
        }
        let transport = Transport::HttpPost;
        match self.execute.execute_json(&body, caller, transport).await {
            Ok(outcome) => conclude(outcome, representation),
            Err(error) => rejected(&error.into(), representation),
        }
    }

    /// The caller. For callers that may do nothing, or have nothing left to spend, only the head is read.
    async fn admitted(&self, parts: Parts) -> Result<Caller<E::Admitted>, Rejection> {
        let admitted = self.execute.admit(&parts.headers, None).await?;
        let caller = caller(parts, admitted);
        let charged = self.execute.limits().charge(&caller, REQUEST_COST);
        charged.map_err(Into::into)?;
        Ok(caller)
    }

    async fn events(
        &self,
        params: GraphQLParams,
        caller: &Caller<E::Admitted>,
        by: Transport,
    ) -> Response {
        let (execute, stop) = (self.execute.clone(), self.shutdown.token().clone());
        // Boxed, so that other requests do not carry the size of this future.
        Box::pin(sse::respond(execute, params, caller, by, self.sse, stop)).await
    }

    async fn open_socket(&self, mut parts: Parts) -> Response {
        match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => {
                // The socket's `connection_init` will identify the caller.
                let caller = caller(parts, E::Admitted::default());
                let (execute, settings) = (self.execute.clone(), Arc::clone(&self.websocket));
                websocket::upgrade(upgrade, execute, caller, settings, &self.shutdown)
            }
            Err(error) => {
                let rejection = Rejection::bad_request(error.status(), error.body_text());
                rejected(&rejection, Representation::Json)
            }
        }
    }
}

/// Adds what the caller has left to spend, where callers are charged.
fn with_rate_limit<A>(mut response: Response, caller: &Caller<A>) -> Response {
    if let Some(rate_limit) = caller.rate_limit.get() {
        rate_limit.write_if_absent(response.headers_mut());
    }
    response
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    list(headers, UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

fn caller<A>(mut parts: Parts, admitted: A) -> Caller<A> {
    let id = parts.extensions.remove();
    let peer = parts.extensions.get().copied().or_else(|| {
        let ConnectInfo::<SocketAddr>(address) = parts.extensions.get()?;
        Some(PeerAddress(address.ip()))
    });
    Caller {
        peer: peer.unwrap_or_default(),
        last_event_id: sse::last_event_id(&parts.headers),
        request_id: id.unwrap_or_else(|| RequestId::of(&parts.headers, Uuid::new_v4)),
        headers: parts.headers,
        connection_init: None,
        admitted,
        rate_limit: OnceLock::new(),
    }
}

/// The response to a request that did not ask for events.
fn conclude(outcome: Outcome, representation: Representation) -> Response {
    match outcome {
        Outcome::Rejected(rejection) | Outcome::NotBegun(rejection) => {
            rejected(&rejection, representation)
        }
        Outcome::Single(body) => respond(body.json, representation),
        Outcome::Replayed(body) => ([REPLAYED], respond(body.json, representation)).into_response(),
        Outcome::Stream(_) => {
            let message = "a subscription needs a WebSocket, or `Accept: text/event-stream`";
            let rejection = Rejection::bad_request(StatusCode::BAD_REQUEST, message);
            rejected(&rejection, representation)
        }
    }
}

/// An operation that was executed has status 200, even if it has field errors.
fn respond(body: Bytes, representation: Representation) -> Response {
    let mut response = Response::new(Body::from(body));
    let content_type = representation.content_type();
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The response to a request that was not executed.
fn rejected(rejection: &Rejection, representation: Representation) -> Response {
    let representation = match representation {
        Representation::GraphQLResponse => representation,
        _ => Representation::Json,
    };
    let mut response = respond(rejection.body(), representation);
    *response.status_mut() = status(rejection, representation);
    response.headers_mut().extend(rejection.headers.clone());
    rejection.attach_code(&mut response);
    response
}

/// In `application/json` a well-formed request gets 200, even if its document is invalid. A request that is not GraphQL
/// at all keeps its status, and so do the statuses that proxies and clients act on (401, 405, 429, 503).
fn status(rejection: &Rejection, representation: Representation) -> StatusCode {
    let is_of_the_document =
        rejection.status == StatusCode::BAD_REQUEST && !rejection.has(ErrorCode::BAD_REQUEST);
    match representation {
        Representation::Json if is_of_the_document => StatusCode::OK,
        _ => rejection.status,
    }
}

fn not_acceptable() -> Response {
    let message = "the media types available are application/graphql-response+json, application/json, \
        text/event-stream and, by GET, text/html";
    let rejection = Rejection::bad_request(StatusCode::NOT_ACCEPTABLE, message);
    rejected(&rejection, Representation::Json)
}

/// A response of the same form for requests that are rejected before they reach the endpoint, or by other routes.
pub fn rejection(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Response {
    Rejection::new(status, code, message).into_response()
}

/// The response to a caller that another route does not admit. Caches do not store it.
pub fn not_admitted(rejection: impl Into<Rejection>) -> Response {
    let mut response = rejection.into().into_response();
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// The response to a bug of the server.
pub fn internal_error(id: &RequestId) -> Response {
    Rejection::internal(id).into_response()
}

impl axum::response::IntoResponse for Rejection {
    fn into_response(self) -> Response {
        rejected(&self, Representation::Json)
    }
}

impl From<InvalidParams> for Rejection {
    fn from(error: InvalidParams) -> Self {
        Self::bad_request(StatusCode::BAD_REQUEST, error.to_string())
    }
}
