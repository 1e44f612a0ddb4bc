//! The events of a subscription.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::Response;
use bytes::Bytes;
use futures_util::future::poll_fn;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, sleep};

use super::changes::ResumeAfter;
use super::execution::{engine_request, response_errors};
use super::json::operation_context::Results;
use super::json::response;
use super::progress::Progress;
use super::{Api, error};
use crate::article::change::FeedCursor;
use crate::budget::ResponseBudget;
use crate::error::ResponseErrors;
use graphql_guard::{Operation, OperationKind};

/// One result of a subscription.
#[derive(Debug)]
pub struct Event {
    /// A JSON object with `data`, and `errors` if there are any; without `data` where the subscription is rejected.
    pub body: Bytes,
    /// The cursor of its change, with which a transport can resume; `None` where it has no change, as for an error.
    pub cursor: Option<FeedCursor>,
}

/// The events of a subscription that has begun, or the single event that rejects it.
pub struct Events {
    stream: BoxStream<'static, Event>,
    progress: Progress,
}

impl Events {
    /// The position reached, even where no change matches.
    pub fn position(&self) -> ResumePosition {
        ResumePosition(self.progress.clone())
    }
}

/// The position with which a client that has received all events so far can resume.
pub struct ResumePosition(Progress);

impl ResumePosition {
    /// `None` where it is the cursor of the last event, or was already taken.
    pub fn take(&self) -> Option<FeedCursor> {
        self.0.take_position()
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.stream.as_mut().poll_next(context)
    }
}

/// The database was unavailable, so the subscription has not begun.
#[derive(Debug)]
pub struct Unavailable(pub ResponseErrors);

impl Api {
    /// Begins a subscription, with an event for each subsequent change. `resume_after` is the cursor after which it was
    /// interrupted; it takes precedence over the arguments. The last event may be an error, and is the only one where
    /// the subscription is rejected.
    ///
    /// While the database is unavailable, it retries for as long as `retry_for`.
    ///
    /// # Errors
    /// [`Unavailable`]: it has not begun.
    pub async fn subscribe(
        &self,
        operation: &Operation,
        resume_after: Option<String>,
        request_id: String,
        retry_for: Duration,
    ) -> Result<Events, Unavailable> {
        const MAX_PAUSE: Duration = Duration::from_secs(5);
        let give_up = Instant::now() + retry_for;
        let mut pause = Duration::from_millis(100);
        loop {
            match self
                .begin(operation, resume_after.clone(), Results::Json)
                .await
            {
                Err(_) if Instant::now() + pause < give_up => {
                    sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
                Err(response) => {
                    let errors = response_errors(response.errors, &request_id, operation.kind);
                    return Err(Unavailable(errors.into()));
                }
                Ok(begun) => return Ok(begun.into_events(operation, request_id)),
            }
        }
    }

    /// Executes until the stream of changes has begun, or has failed.
    ///
    /// # Errors
    /// The response where the database was unavailable.
    pub(super) async fn begin(
        &self,
        operation: &Operation,
        resume_after: Option<String>,
        results: Results,
    ) -> Result<StartedSubscription, Response> {
        let progress = Progress::default();
        let budget = ResponseBudget::new(self.0.response_bytes);
        let mut request = engine_request(operation, budget, results);
        request.data.insert(progress.clone());
        if let Some(cursor) = resume_after {
            request.data.insert(ResumeAfter(cursor));
        }
        let mut responses = self.0.schema.execute_stream(request).boxed();
        let first = poll_fn(|context| match responses.poll_next_unpin(context) {
            // The stream of changes has begun, and its first change is pending.
            Poll::Pending if progress.has_begun() => Poll::Ready(None),
            next => next.map(Some),
        });
        let responses = match first.await {
            Some(Some(response))
                if !progress.has_begun()
                    && error::nothing_executed(&response, OperationKind::Subscription) =>
            {
                return Err(response);
            }
            // A stream must not be polled again after it has ended.
            Some(None) => stream::empty().boxed(),
            Some(Some(response)) => stream::iter([response]).chain(responses).boxed(),
            None => responses,
        };
        Ok(StartedSubscription {
            responses,
            progress,
        })
    }
}

/// A subscription that has begun, or the response that rejects it.
pub(super) struct StartedSubscription {
    pub(super) responses: BoxStream<'static, Response>,
    progress: Progress,
}

impl StartedSubscription {
    fn into_events(self, operation: &Operation, request_id: String) -> Events {
        let Self {
            responses,
            progress,
        } = self;
        let document = Arc::clone(operation.document());
        let shared = progress.clone();
        let event = move |response: Response| {
            let kind = OperationKind::Subscription;
            let errors = response_errors(response.errors, &request_id, kind);
            Event {
                body: match shared.has_begun() {
                    // The size of an event is checked while it is written.
                    true => response::write(&response.data, &errors, &document, usize::MAX)
                        .unwrap_or_default(),
                    false => response::without_data(&errors),
                },
                cursor: shared.take_cursor(),
            }
        };
        Events {
            stream: responses.map(event).boxed(),
            progress,
        }
    }
}
