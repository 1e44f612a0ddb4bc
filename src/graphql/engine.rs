//! The API, as the engine of the transports.

use std::time::Duration;

use futures_util::StreamExt as _;
use graphql_guard::Operation;
use graphql_guard::json::ObjectText;
use graphql_transports::Engine;
use graphql_transports::engine::{ExecutionResult, KeyedRequest, SubscribeError};
use graphql_transports::error::ResponseErrors;
use graphql_transports::events::{Event, Events};
use graphql_transports::operation::Caller;

use crate::api::{self, Api};
use crate::article::change::FeedCursor;

impl<A: Send + Sync + 'static> Engine<A> for Api {
    type Operation = Operation;

    const EXECUTES_ONCE: bool = true;

    fn prepare(
        &self,
        document: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
    ) -> Result<Operation, ResponseErrors> {
        self.prepare(document, operation_name, variables)
    }

    async fn execute(&self, operation: &Operation, caller: &Caller<A>) -> ExecutionResult {
        self.execute(operation, caller.request_id.as_str()).await
    }

    async fn execute_once(
        &self,
        operation: &Operation,
        caller: &Caller<A>,
        request: KeyedRequest,
    ) -> ExecutionResult {
        let request_id = caller.request_id.as_str();
        self.execute_once(operation, request_id, request).await
    }

    async fn subscribe(
        &self,
        operation: &Operation,
        caller: &Caller<A>,
        patience: Duration,
    ) -> Result<Events, SubscribeError> {
        let resume_after = caller.last_event_id.clone();
        let request_id = caller.request_id.as_str().to_owned();
        let events = self.subscribe(operation, resume_after, request_id, patience);
        match events.await {
            Ok(events) => Ok(into_events(events)),
            Err(api::Unavailable(errors)) => Err(SubscribeError::Unavailable(errors)),
        }
    }
}

/// The same events, with their cursors as clients see them.
fn into_events(events: api::Events) -> Events {
    let cursor = |cursor: FeedCursor| cursor.to_string();
    let position = events.position();
    let stream = events.map(move |event| Event {
        body: event.body,
        cursor: event.cursor.map(cursor),
    });
    Events::new(stream.boxed(), move || position.take().map(cursor))
}
