//! The results of a subscription, from its begin on.

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
use super::json::response;
use super::progress::Progress;
use super::{Api, completed, engine_request, error, whole};
use crate::article::change::FeedCursor;
use crate::budget::ResponseBudget;
use graphql_guard::{Operation, OperationKind};

/// One result of a subscription.
#[derive(Debug)]
pub struct Event {
    /// A JSON object with `data`, and `errors` where there are any; without `data` where the subscription is refused.
    pub body: Bytes,
    /// Where the change that it shows stands in the feed, for a transport that can resume there; `None` where the
    /// result shows none, such as an error.
    pub cursor: Option<FeedCursor>,
}

/// The results of a subscription that has begun, or the one that refuses it.
pub struct Events {
    stream: BoxStream<'static, Event>,
    progress: Progress,
}

impl Events {
    /// How far they have come, also where no change matches.
    pub fn position(&self) -> ResumePosition {
        ResumePosition(self.progress.clone())
    }
}

/// Where a client resumes that has all events until now.
pub struct ResumePosition(Progress);

impl ResumePosition {
    /// `None` where it is the cursor of the last event, or was taken before.
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

/// The database was not available. Nothing ran. The JSON list of errors.
#[derive(Debug)]
pub struct Unavailable(pub Bytes);

impl Api {
    /// Begins a subscription: an event for each change that follows. `resume_after` is where it broke off before, which
    /// stands above what its own arguments say. The stream ends with an error only, which is all that it has where the
    /// subscription is refused.
    ///
    /// While the database is not available, the begin is retried for as long as `patience`.
    ///
    /// # Errors
    /// [`Unavailable`]: it has not begun.
    pub async fn subscribe(
        &self,
        operation: &Operation,
        resume_after: Option<String>,
        request_id: String,
        patience: Duration,
    ) -> Result<Events, Unavailable> {
        const LONGEST_PAUSE: Duration = Duration::from_secs(5);
        let give_up = Instant::now() + patience;
        let mut pause = Duration::from_millis(100);
        loop {
            match self
                .begin(operation, resume_after.clone(), &request_id)
                .await
            {
                Err(_) if Instant::now() + pause < give_up => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(response) => {
                    let response = completed(response, &request_id, operation.kind);
                    return Err(Unavailable(response::errors(&response)));
                }
                Ok(events) => return Ok(events),
            }
        }
    }

    /// Executes until the stream of changes is there, or has failed. The error is the response where the database was not
    /// available.
    async fn begin(
        &self,
        operation: &Operation,
        resume_after: Option<String>,
        request_id: &str,
    ) -> Result<Events, Response> {
        let progress = Progress::default();
        let budget = ResponseBudget::new(self.0.response_bytes);
        let mut request = engine_request(operation, budget).data(progress.clone());
        if let Some(cursor) = resume_after {
            request = request.data(ResumeAfter(cursor));
        }
        let mut responses = self.0.schema.execute_stream(request);
        let first = poll_fn(|context| match responses.poll_next_unpin(context) {
            // The changes are there, and the first is still to come.
            Poll::Pending if progress.has_begun() => Poll::Ready(None),
            next => next.map(Some),
        });
        let first = match first.await {
            Some(Some(response))
                if !progress.has_begun()
                    && error::nothing_ran(&response, OperationKind::Subscription) =>
            {
                return Err(response);
            }
            // The stream must not be polled again where it has ended.
            Some(None) => return Ok(Events::none()),
            Some(Some(response)) => Some(response),
            None => None,
        };
        let document = Arc::clone(operation.document());
        let (shared, request_id) = (progress.clone(), request_id.to_owned());
        let event = move |response| {
            let response = completed(response, &request_id, OperationKind::Subscription);
            Event {
                body: match shared.has_begun() {
                    true => whole(&response, &document),
                    false => response::refusal(&response),
                },
                cursor: shared.take_shown(),
            }
        };
        let stream = match first {
            Some(response) => stream::iter([response]).chain(responses).map(event).boxed(),
            None => responses.map(event).boxed(),
        };
        Ok(Events { stream, progress })
    }
}

impl Events {
    fn none() -> Self {
        Self {
            stream: stream::empty().boxed(),
            progress: Progress::default(),
        }
    }
}
