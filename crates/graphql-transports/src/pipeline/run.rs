//! Runs a prepared operation: charges its caller, executes it according to its kind, and turns the result into an
//! outcome.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use graphql_guard::OperationKind;

use super::Pipeline;
use crate::admission::Admit;
use crate::engine::{
    Engine, ExecutionResult, KeyedRequest, PreparedOperation as _, SubscribeError,
};
use crate::error::{ErrorCode, ResponseError};
use crate::limits::LimitCallers;
use crate::operation::{Caller, Outcome, ResponseBody, Transport};
use crate::rejection::Rejection;

impl<E, A, L> Pipeline<E, A, L>
where
    A: Admit,
    E: Engine<A::Caller>,
    L: LimitCallers<A::Caller>,
{
    /// Executes an operation, if its transport allows it and its caller has enough left to spend.
    pub(super) async fn run(
        &self,
        operation: &Arc<E::Operation>,
        once: Option<KeyedRequest>,
        caller: &Caller<A::Caller>,
        transport: Transport,
        observation: &E::Observation,
    ) -> Outcome {
        if transport.allows(operation.kind()) {
            match self.limits.charge(caller, operation.cost()) {
                Ok(Some(rate_limit)) => drop(caller.rate_limit.set(rate_limit)),
                Ok(None) => {}
                Err(error) => return Outcome::Rejected(error.into()),
            }
        }
        match operation.kind() {
            OperationKind::Query => {
                let result = self.engine.execute(operation, caller, observation);
                self.kept(outcome(result.await), caller, transport)
            }
            OperationKind::Mutation if !transport.allows_mutations() => {
                Outcome::Rejected(no_mutation_by_get())
            }
            // Boxed, so that queries do not carry the size of these futures.
            OperationKind::Mutation => {
                Box::pin(self.mutate(operation, once, caller, observation)).await
            }
            OperationKind::Subscription if transport.allows_subscriptions() => {
                Box::pin(self.subscribe(operation, caller, transport)).await
            }
            OperationKind::Subscription => Outcome::Rejected(Rejection::bad_request(
                StatusCode::BAD_REQUEST,
                "a subscription needs a WebSocket or `Accept: text/event-stream`",
            )),
        }
    }

    /// A mutation that has begun is finished even if its client disconnects; the engine has its own time limits.
    async fn mutate(
        &self,
        operation: &Arc<E::Operation>,
        once: Option<KeyedRequest>,
        caller: &Caller<A::Caller>,
        observation: &E::Observation,
    ) -> Outcome {
        let begun = match self.engine.begin_mutation(caller).await {
            Ok(begun) => begun,
            Err(errors) => return outcome(ExecutionResult::Unavailable(errors)),
        };
        let (engine, owned) = (self.engine.clone(), caller.clone());
        let (operation, observation) = (Arc::clone(operation), observation.clone());
        let mutation = async move {
            let _begun = begun;
            match once {
                Some(key) => {
                    let executed = engine.execute_once(&operation, &owned, key, &observation);
                    executed.await
                }
                None => engine.execute(&operation, &owned, &observation).await,
            }
        };
        let mutation = tracing::Instrument::in_current_span(mutation);
        match self.shutdown.spawn(mutation).await {
            Ok(result) => outcome(result),
            Err(error) => {
                tracing::error!(%error, "a mutation panicked");
                Outcome::Rejected(Rejection::internal(&caller.request_id))
            }
        }
    }

    /// A query's outcome, counted for its caller until it has been sent: responses to clients that do not read stay in
    /// memory.
    fn kept(&self, outcome: Outcome, caller: &Caller<A::Caller>, transport: Transport) -> Outcome {
        let Outcome::Single(ResponseBody {
            json,
            has_errors,
            codes,
        }) = outcome
        else {
            return outcome;
        };
        // A message or an event contains a copy of the response.
        let copies = match transport {
            Transport::HttpGet | Transport::HttpPost => 1,
            Transport::WebSocket | Transport::SseGet | Transport::SsePost => 2,
        };
        let count = copies * json.len();
        match self.limits.keep(json, count, caller) {
            Ok(json) => Outcome::Single(ResponseBody {
                json,
                has_errors,
                codes,
            }),
            Err(error) => Outcome::Rejected(error.into()),
        }
    }

    /// Begins a subscription. On a socket it waits for unavailable resources for as long as a subscription may take to
    /// begin: only closing the whole socket could tell the client to retry.
    async fn subscribe(
        &self,
        operation: &E::Operation,
        caller: &Caller<A::Caller>,
        transport: Transport,
    ) -> Outcome {
        let (retry_for, stream) = match transport {
            // The socket itself is counted, not its subscriptions.
            Transport::WebSocket => (self.subscribe_timeout, None),
            _ => match self.limits.open_stream(caller) {
                Ok(stream) => (Duration::ZERO, Some(stream)),
                Err(error) => return Outcome::Rejected(error.into()),
            },
        };
        let subscribed = self.engine.subscribe(operation, caller, retry_for);
        let subscribed = tokio::select! {
            subscribed = tokio::time::timeout(self.subscribe_timeout, subscribed) => subscribed,
            () = self.shutdown.token().cancelled() => return Outcome::NotBegun(stopping()),
        };
        match subscribed {
            // The stream's slot is held as long as its events.
            Ok(Ok(events)) => Outcome::Stream(events.holding(stream)),
            Ok(Err(SubscribeError::Invalid(errors))) => {
                Outcome::Rejected(Rejection::with_errors(StatusCode::BAD_REQUEST, errors))
            }
            Ok(Err(SubscribeError::Unavailable(errors))) => {
                Outcome::NotBegun(Rejection::unavailable(errors))
            }
            Err(_) => Outcome::NotBegun(Rejection::unavailable([timeout()])),
        }
    }
}

fn outcome(result: ExecutionResult) -> Outcome {
    let rejected = |status, errors| Outcome::Rejected(Rejection::with_errors(status, errors));
    match result {
        ExecutionResult::Response(body) => Outcome::Single(body),
        ExecutionResult::Replayed(body) => Outcome::Replayed(body),
        ExecutionResult::KeyReused(errors) => rejected(StatusCode::UNPROCESSABLE_ENTITY, errors),
        ExecutionResult::Invalid(errors) => rejected(StatusCode::BAD_REQUEST, errors),
        ExecutionResult::Unavailable(errors) => Outcome::Rejected(Rejection::unavailable(errors)),
        ExecutionResult::Internal(errors) => rejected(StatusCode::INTERNAL_SERVER_ERROR, errors),
    }
}

fn no_mutation_by_get() -> Rejection {
    let mut rejection = Rejection::bad_request(
        StatusCode::METHOD_NOT_ALLOWED,
        "a mutation cannot be sent by GET: send it by POST",
    );
    let post = HeaderValue::from_static("POST");
    rejection.headers.insert(header::ALLOW, post);
    rejection
}

/// The error of an operation that exceeded its time limit. Nothing has changed, so it may be sent again.
pub fn timeout() -> ResponseError {
    ResponseError::new(
        ErrorCode::TIMEOUT,
        "the request took too long; try again later, or ask for less",
    )
}

/// The subscription may begin on another server, or on this one after its restart.
fn stopping() -> Rejection {
    Rejection::unavailable([ResponseError::new(
        ErrorCode::UNAVAILABLE,
        "the server is shutting down; try again later",
    )])
}
