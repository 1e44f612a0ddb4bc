//! An operation on its way to the API, the same on every transport.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures_util::StreamExt as _;

use super::App;
use super::operation::{
    Caller, Event, Execute, GraphQLParams, InvalidParams, Outcome, Refusal, Transport,
};
use crate::api::{self, Answer};
use crate::document::{Code, Operation, OperationKind};

impl Execute for App {
    async fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller,
        transport: Transport,
    ) -> Outcome {
        match self.prepare(&params) {
            Ok(prepared) => self.run(prepared.operation, caller, transport).await,
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    async fn execute_json(
        &self,
        body: &[u8],
        caller: &Caller,
        transport: Transport,
    ) -> Result<Outcome, InvalidParams> {
        let operation = match self.repeated.get(body) {
            Some(operation) => operation,
            None => match self.prepare(&GraphQLParams::from_json(body)?) {
                Ok(prepared) => {
                    if prepared.is_self_contained {
                        self.repeated.offer(body, &prepared.operation);
                    }
                    prepared.operation
                }
                Err(refusal) => return Ok(Outcome::Refused(refusal)),
            },
        };
        Ok(self.run(operation, caller, transport).await)
    }
}

/// An operation that may run.
struct Prepared {
    operation: Arc<Operation>,
    /// Whether it follows from what stands in the request alone: what names stand for, and what is trusted, may change.
    is_self_contained: bool,
}

impl App {
    fn prepare(&self, params: &GraphQLParams) -> Result<Prepared, Refusal> {
        let resolved = self.persisted.resolve(params)?;
        let name = params.operation_name.as_deref();
        let operation = self
            .api
            .prepare(&resolved.query, name, &params.variables)
            .map_err(|reasons| {
                Refusal::with_errors(StatusCode::BAD_REQUEST, &api::refusals(&reasons))
            })?;
        let is_self_contained = !resolved.is_trusted && !params.names_a_document();
        if let Some(registration) = resolved.register {
            self.persisted.register(registration);
        }
        Ok(Prepared {
            operation: Arc::new(operation),
            is_self_contained,
        })
    }

    async fn run(
        &self,
        operation: Arc<Operation>,
        caller: &Caller,
        transport: Transport,
    ) -> Outcome {
        match operation.kind {
            OperationKind::Query => {
                let answer = self.api.execute(&operation, caller.request_id.as_str());
                match tokio::time::timeout(self.request_timeout, answer).await {
                    Ok(answer) => outcome(answer),
                    Err(_) => Outcome::Refused(out_of_time()),
                }
            }
            OperationKind::Mutation if !transport.allows_mutations() => {
                let mut refusal = Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "BAD_REQUEST",
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
                let mutation = async move { api.execute(&operation, id.as_str()).await };
                match tokio::spawn(tracing::Instrument::instrument(mutation, span)).await {
                    Ok(answer) => outcome(answer),
                    Err(error) => {
                        tracing::error!(%error, "a mutation panicked");
                        Outcome::Refused(Refusal::internal(&caller.request_id))
                    }
                }
            }
            OperationKind::Subscription if transport.allows_subscriptions() => {
                let events = self.api.subscribe(
                    &operation,
                    caller.last_event_id.clone(),
                    caller.request_id.as_str().to_owned(),
                );
                Outcome::Stream(
                    events
                        .map(|event| Event {
                            body: event.body,
                            cursor: event.cursor.map(|cursor| cursor.to_string()),
                        })
                        .boxed(),
                )
            }
            OperationKind::Subscription => Outcome::Refused(Refusal::new(
                StatusCode::BAD_REQUEST,
                Code::BadRequest.as_str(),
                "a subscription needs a WebSocket or `Accept: text/event-stream`",
            )),
        }
    }
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Clean(body) | Answer::Flawed(body) => Outcome::Single(body),
        Answer::Unavailable(errors) => Outcome::Refused(again_later(Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            errors,
            headers: HeaderMap::new(),
        })),
    }
}

/// A query that took too long: nothing has changed, so it may be sent again.
fn out_of_time() -> Refusal {
    again_later(Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "TIMEOUT",
        "the request took too long; try again later, or ask for less",
    ))
}

fn again_later(mut refusal: Refusal) -> Refusal {
    let seconds = HeaderValue::from_static("1");
    refusal.headers.insert(header::RETRY_AFTER, seconds);
    refusal
}
