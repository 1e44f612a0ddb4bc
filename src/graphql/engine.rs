//! An operation on its way from a transport to the API, the same on every transport: what a name stands for, what was
//! prepared before, what may run where, and what becomes of the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Map, Value};

use super::idempotency;
use super::metrics::OperationMetrics;
use super::operation::{
    Caller, Event, Events, Execute, GraphQLParams, InvalidParams, Outcome, Refusal, ResponseBody,
    Transport,
};
use super::persisted::PersistedOperations;
use super::request_cache::RepeatedRequests;
use crate::admission::{self, Admission, Credential, Rejection, Scope};
use crate::api::{self, Api, ExecutionResult, KeyedRequest};
use crate::article::change::FeedCursor;
use crate::caller_limits::{CallerLimits, StreamSlot};
use crate::error::{ErrorCode, ResponseError, ResponseErrors};
use crate::shutdown::Shutdown;
use graphql_guard::json::ObjectText;
use graphql_guard::{Operation, OperationKind};

/// What runs the operations of every transport.
#[derive(Clone)]
pub struct Engine {
    admission: Admission,
    limits: CallerLimits,
    api: Api,
    persisted: PersistedOperations,
    repeated: Arc<RepeatedRequests>,
    request_timeout: Duration,
    shutdown: Shutdown,
    metrics: OperationMetrics,
}

impl Engine {
    /// Runs on `api` what `admission` admits and `limits` have room for. At most `request_cache_bytes` of request bodies
    /// are kept with what was prepared for them. A subscription that has not begun after `request_timeout` does not begin.
    pub fn new(
        (admission, limits): (Admission, CallerLimits),
        api: Api,
        persisted: PersistedOperations,
        request_cache_bytes: usize,
        request_timeout: Duration,
        shutdown: Shutdown,
        metrics: OperationMetrics,
    ) -> Self {
        Self {
            admission,
            limits,
            api,
            persisted,
            repeated: Arc::new(RepeatedRequests::new(request_cache_bytes)),
            request_timeout,
            shutdown,
            metrics,
        }
    }
}

impl Execute for Engine {
    async fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller,
        transport: Transport,
    ) -> Outcome {
        let mut under_way = self.metrics.begin();
        let outcome = match self.prepare(&params, caller, transport) {
            Ok(prepared) => {
                let Prepared {
                    operation, once, ..
                } = prepared;
                under_way.is_prepared(operation.kind);
                self.run(operation, once, caller, transport).await
            }
            Err(refusal) => Outcome::Refused(refusal),
        };
        under_way.ends_with(&outcome);
        outcome
    }

    async fn execute_json(
        &self,
        body: &[u8],
        caller: &Caller,
        transport: Transport,
    ) -> Result<Outcome, InvalidParams> {
        let mut under_way = self.metrics.begin();
        let prepared = match self.repeated.get(body) {
            // A query.
            Some(operation) => match self.check(caller, operation.kind) {
                Ok(()) => Ok((operation, None)),
                Err(rejection) => Err(rejection.into()),
            },
            None => match self.prepare(&GraphQLParams::from_json(body)?, caller, transport) {
                Ok(prepared) => {
                    if prepared.is_self_contained {
                        self.repeated.offer(body, &prepared.operation);
                    }
                    Ok((prepared.operation, prepared.once))
                }
                Err(refusal) => Err(refusal),
            },
        };
        let outcome = match prepared {
            Ok((operation, once)) => {
                under_way.is_prepared(operation.kind);
                self.run(operation, once, caller, transport).await
            }
            Err(refusal) => Outcome::Refused(refusal),
        };
        under_way.ends_with(&outcome);
        Ok(outcome)
    }

    async fn admit(
        &self,
        headers: &HeaderMap,
        connection_init: Option<&ObjectText>,
    ) -> Result<admission::Caller, Rejection> {
        let Some(init) = connection_init else {
            let credential = Credential::from_headers(headers);
            return self.admission.admit_to_any(credential).await;
        };
        let init: Option<Map<String, Value>> = serde_json::from_str(init.as_str()).ok();
        let credential = match &init {
            Some(init) => Credential::from_connection_init(init, headers),
            None => Credential::Unusable,
        };
        self.admission.admit_to_any(credential).await
    }

    fn ended(&self, caller: &Caller) -> Option<BoxFuture<'static, ()>> {
        if caller.admitted.is_anonymous() {
            return None;
        }
        let (admission, admitted) = (self.admission.clone(), caller.admitted.clone());
        Some(async move { admission.ended(&admitted).await }.boxed())
    }
}

/// An operation that may run.
struct Prepared {
    operation: Arc<Operation>,
    /// Whether it follows from what stands in the request alone: what names stand for, and what is trusted, may change.
    is_self_contained: bool,
    /// What a mutation is to be carried out once under.
    once: Option<KeyedRequest>,
}

impl Engine {
    /// Makes an operation ready that the caller may run. Until that is known, nothing is kept for others.
    fn prepare(
        &self,
        params: &GraphQLParams,
        caller: &Caller,
        transport: Transport,
    ) -> Result<Prepared, Refusal> {
        let resolved = self.persisted.resolve(params)?;
        let name = params.operation_name.as_deref();
        let operation = self
            .api
            .prepare(&resolved.query, name, &params.variables)
            .map_err(|errors| {
                let errors = errors.into_iter().map(ResponseError::from);
                Refusal::with_errors(StatusCode::BAD_REQUEST, errors.collect::<Vec<_>>())
            })?;
        self.check(caller, operation.kind)?;
        let once = match operation.kind {
            OperationKind::Mutation if transport.allows_mutations() => {
                idempotency::keyed_request(params, &resolved.query, &operation, caller, transport)?
            }
            _ => None,
        };
        let is_self_contained = !resolved.is_trusted && !params.names_a_document();
        if let Some(registration) = resolved.register {
            self.persisted.register(registration);
        }
        Ok(Prepared {
            operation: Arc::new(operation),
            is_self_contained,
            once,
        })
    }

    /// Whether the caller may run an operation of this kind.
    fn check(&self, caller: &Caller, kind: OperationKind) -> Result<(), Rejection> {
        let asked = match kind {
            OperationKind::Query | OperationKind::Subscription => Scope::Read,
            OperationKind::Mutation => Scope::Write,
        };
        self.admission.check(&caller.admitted, asked)
    }

    async fn run(
        &self,
        operation: Arc<Operation>,
        once: Option<KeyedRequest>,
        caller: &Caller,
        transport: Transport,
    ) -> Outcome {
        if transport.allows(operation.kind) {
            match caller.charge(&self.limits, operation.complexity) {
                Ok(Some(rate_limit)) => drop(caller.rate_limit.set(rate_limit)),
                Ok(None) => {}
                Err(rejection) => return Outcome::Refused(rejection.into()),
            }
        }
        match operation.kind {
            OperationKind::Query => {
                let result = self.api.execute(&operation, caller.request_id.as_str());
                self.kept(outcome(result.await), caller, transport)
            }
            OperationKind::Mutation if !transport.allows_mutations() => {
                let mut refusal = Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    ErrorCode::BadRequest,
                    "a mutation cannot be sent by GET: send it by POST",
                );
                refusal
                    .headers
                    .insert(header::ALLOW, HeaderValue::from_static("POST"));
                Outcome::Refused(refusal)
            }
            OperationKind::Mutation => {
                // One that has begun is finished, whoever hangs up; its statements have bounds of their own.
                let (api, id) = (self.api.clone(), caller.request_id.clone());
                let span = tracing::Span::current();
                let mutation = async move {
                    match once {
                        Some(key) => api.execute_once(&operation, id.as_str(), key).await,
                        None => api.execute(&operation, id.as_str()).await,
                    }
                };
                let mutation = tracing::Instrument::instrument(mutation, span);
                match self.shutdown.spawn(mutation).await {
                    Ok(result) => outcome(result),
                    Err(error) => {
                        tracing::error!(%error, "a mutation panicked");
                        Outcome::Refused(Refusal::internal(&caller.request_id))
                    }
                }
            }
            OperationKind::Subscription if transport.allows_subscriptions() => {
                // Boxed, so that queries do not carry the size of this future.
                Box::pin(self.subscribe(&operation, caller, transport)).await
            }
            OperationKind::Subscription => Outcome::Refused(Refusal::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::BadRequest,
                "a subscription needs a WebSocket or `Accept: text/event-stream`",
            )),
        }
    }

    /// A query's outcome, counted for its caller until it has been sent: clients that do not read keep it in memory.
    fn kept(&self, outcome: Outcome, caller: &Caller, transport: Transport) -> Outcome {
        let Outcome::Single(ResponseBody {
            json,
            has_errors,
            codes,
        }) = outcome
        else {
            return outcome;
        };
        // A message or an event has a copy of it.
        let copies = match transport {
            Transport::HttpGet | Transport::HttpPost => 1,
            Transport::WebSocket | Transport::SseGet | Transport::SsePost => 2,
        };
        let count = copies * json.len();
        let owner = || self.limits.network(caller.peer, &caller.headers);
        match self.limits.responses().keep(json, count, owner) {
            Ok(json) => Outcome::Single(ResponseBody {
                json,
                has_errors,
                codes,
            }),
            Err(rejection) => Outcome::Refused(rejection.into()),
        }
    }

    /// Begins a subscription. On a socket it waits for a database that is away, as long as a query may take: its client has
    /// no other way to learn that it should come back than to be closed.
    async fn subscribe(
        &self,
        operation: &Operation,
        caller: &Caller,
        transport: Transport,
    ) -> Outcome {
        let (patience, slot) = match transport {
            // The socket is what counts.
            Transport::WebSocket => (self.request_timeout, None),
            _ => match self.limits.open_stream(caller.key(&self.limits)) {
                Ok(slot) => (Duration::ZERO, Some(slot)),
                Err(rejection) => return Outcome::Refused(rejection.into()),
            },
        };
        let subscribed = self.api.subscribe(
            operation,
            caller.last_event_id.clone(),
            caller.request_id.as_str().to_owned(),
            patience,
        );
        let subscribed = tokio::select! {
            subscribed = tokio::time::timeout(self.request_timeout, subscribed) => subscribed,
            () = self.shutdown.token().cancelled() => return Outcome::NotBegun(stopping()),
        };
        match subscribed {
            Ok(Ok(events)) => Outcome::Stream(into_events(events, slot)),
            Ok(Err(api::Unavailable(errors))) => Outcome::NotBegun(unavailable(errors)),
            Err(_) => Outcome::NotBegun(unavailable(api::timeout_errors())),
        }
    }
}

/// With the events goes what counts them.
fn into_events(events: api::Events, slot: Option<StreamSlot>) -> Events {
    let cursor = |cursor: FeedCursor| cursor.to_string();
    let position = events.position();
    let stream = events.map(move |event| {
        let _ = &slot;
        Event {
            body: event.body,
            cursor: event.cursor.map(cursor),
        }
    });
    Events::new(stream.boxed(), move || position.take().map(cursor))
}

fn outcome(result: ExecutionResult) -> Outcome {
    let refused = |status, errors| Outcome::Refused(Refusal::with_errors(status, errors));
    match result {
        ExecutionResult::Response(body) => Outcome::Single(body),
        ExecutionResult::Replayed(body) => Outcome::Replayed(body),
        ExecutionResult::KeyReused(errors) => refused(StatusCode::UNPROCESSABLE_ENTITY, errors),
        ExecutionResult::TooLarge(errors) => refused(StatusCode::BAD_REQUEST, errors),
        ExecutionResult::Unavailable(errors) => Outcome::Refused(unavailable(errors)),
        ExecutionResult::Internal(errors) => refused(StatusCode::INTERNAL_SERVER_ERROR, errors),
    }
}

/// Nothing was done: the same may be sent again.
fn unavailable(errors: ResponseErrors) -> Refusal {
    again_later(Refusal::with_errors(
        StatusCode::SERVICE_UNAVAILABLE,
        errors,
    ))
}

/// The subscription may begin on another server, or on this one when it is back.
fn stopping() -> Refusal {
    again_later(Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Unavailable,
        "the server is shutting down; try again later",
    ))
}

fn again_later(mut refusal: Refusal) -> Refusal {
    let seconds = HeaderValue::from_static("1");
    refusal.headers.insert(header::RETRY_AFTER, seconds);
    refusal
}
