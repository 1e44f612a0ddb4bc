//! The API as the engine of the transports.

use std::time::Duration;

use futures_util::StreamExt as _;
use graphql_guard::json::ObjectText;
use graphql_guard::{Operation, Timings};
use graphql_transports::Engine;
use graphql_transports::engine::{
    Begun, EndedOperation, ExecutionResult, KeyedRequest, SubscribeError,
};
use graphql_transports::error::ResponseErrors;
use graphql_transports::events::{Event, Events};

use super::observer::{Observation, Observer};
use crate::admission;
use crate::api::{self, Api};
use crate::article::change::FeedCursor;

type Caller = graphql_transports::Caller<admission::Caller>;

/// Executes operations with the API, and has them observed.
#[derive(Clone)]
pub struct ApiEngine {
    api: Api,
    observer: Observer,
}

impl ApiEngine {
    /// Executes by `api`.
    pub fn new(api: Api, observer: Observer) -> Self {
        Self { api, observer }
    }
}

impl Engine<admission::Caller> for ApiEngine {
    type Operation = Operation;
    type Observation = Observation;

    const EXECUTES_ONCE: bool = true;

    fn prepare(
        &self,
        document: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
        observation: &Observation,
    ) -> Result<Operation, ResponseErrors> {
        let mut timings = Timings::default();
        let api = &self.api;
        let prepared = api.prepare_timed(document, operation_name, variables, &mut timings);
        observation.is_prepared(timings);
        prepared
    }

    async fn begin_mutation(&self, _: &Caller) -> Result<Begun, ResponseErrors> {
        let permit = self.api.mutation_permit().await?;
        Ok(Some(Box::new(permit)))
    }

    async fn execute(
        &self,
        operation: &Operation,
        caller: &Caller,
        observation: &Observation,
    ) -> ExecutionResult {
        let executed = self.api.execute(operation, caller.request_id.as_str());
        observation.is_executed(executed.await)
    }

    async fn execute_once(
        &self,
        operation: &Operation,
        caller: &Caller,
        request: KeyedRequest,
        observation: &Observation,
    ) -> ExecutionResult {
        let request_id = caller.request_id.as_str();
        let executed = self.api.execute_once(operation, request_id, request);
        observation.is_executed(executed.await)
    }

    async fn subscribe(
        &self,
        operation: &Operation,
        caller: &Caller,
        retry_for: Duration,
    ) -> Result<Events, SubscribeError> {
        let resume_after = caller.last_event_id.clone();
        let request_id = caller.request_id.as_str().to_owned();
        let events = self
            .api
            .subscribe(operation, resume_after, request_id, retry_for);
        match events.await {
            Ok(events) => Ok(into_events(events)),
            Err(api::Unavailable(errors)) => Err(SubscribeError::Unavailable(errors)),
        }
    }

    fn observe(
        &self,
        ended: &EndedOperation<'_, admission::Caller, Operation>,
        observation: &Observation,
    ) {
        self.observer.observe(ended, observation);
    }
}

/// The same events, with the text of their cursors.
fn into_events(events: api::Events) -> Events {
    let cursor = |cursor: FeedCursor| cursor.to_string();
    let position = events.position();
    let stream = events.map(move |event| Event {
        body: event.body,
        cursor: event.cursor.map(cursor),
    });
    Events::new(stream.boxed(), move || position.take().map(cursor))
}
