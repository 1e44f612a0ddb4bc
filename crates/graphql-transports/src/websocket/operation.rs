//! The operations that run on one socket, each in a task of its own.
//!
//! All write to one short queue, first come first served: a busy operation cannot starve the
//! others, and when the client does not read, every source waits. An id is free again when the last
//! message under it is written, so that nothing of an old operation reaches a new one of its name.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Message;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument as _;

use super::authorization::Begun;
use super::closing::Closing;
use super::message;
use crate::events::Event;
use crate::limits::{LimitCallers as _, REQUEST_COST};
use crate::operation::{Caller, Execute, GraphQLParams, Outcome, Transport, or_never};
use crate::rejection::Rejection;
use crate::request_id::RequestId;

/// The way to the client. Each message has a box: a channel has room for many at once, whatever its bound.
pub(super) type Outbox = mpsc::Sender<Box<Outgoing>>;

/// A message on its way to the client, and the operation it belongs to, if any.
pub(super) struct Outgoing {
    message: Message,
    operation: Option<Arc<Operation>>,
    is_last: bool,
    /// With the last message of a query or a mutation.
    unanswered: Option<TaskTrackerToken>,
    /// The response of a query or a mutation, which counts until its message is written.
    response: Option<Bytes>,
}

/// What is kept until a message is written.
pub(super) type Kept = (Option<TaskTrackerToken>, Option<Bytes>);

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        Self {
            message,
            operation: None,
            is_last: false,
            unanswered: None,
            response: None,
        }
    }
}

/// One operation, from its `subscribe` to its last message.
pub(super) struct Operation {
    id: String,
    cancelled: CancellationToken,
}

/// What runs on a socket. Dropping it ends everything.
pub(super) struct Operations {
    running: Mutex<HashMap<String, Arc<Operation>>>,
    closing: Closing,
}

impl Operations {
    pub(super) fn new(closing: Closing) -> Self {
        Self {
            running: Mutex::default(),
            closing,
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Operation>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self) -> usize {
        self.running().len()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.running().contains_key(id)
    }

    /// Sends the client what becomes of an operation, under an id that is free.
    pub(super) fn start(
        &self,
        id: String,
        begun: BoxFuture<'static, Begun>,
        request_id: RequestId,
        outbox: Outbox,
    ) {
        let operation = Arc::new(Operation {
            id: id.clone(),
            cancelled: CancellationToken::new(),
        });
        self.running().insert(id, Arc::clone(&operation));
        let cancelled = operation.cancelled.clone();
        let responder = Responder {
            operation,
            outbox,
            unanswered: Some(self.closing.unanswered()),
            closing: self.closing.clone(),
        };
        // Boxed: `run_until_cancelled_owned` would store this future three times.
        let responses = responder.run(begun, request_id).boxed();
        tokio::spawn(
            cancelled
                .run_until_cancelled_owned(responses)
                .in_current_span(),
        );
    }

    /// The client wants no more of it; an id that is unknown has just ended by itself.
    pub(super) fn stop(&self, id: &str) {
        if let Some(operation) = self.running().remove(id) {
            operation.cancelled.cancel();
        }
    }

    /// What is to be written of a message, and what to keep until that is done; nothing, where the client has stopped the
    /// operation since.
    pub(super) fn release(&self, outgoing: Outgoing) -> Option<(Message, Kept)> {
        if let Some(operation) = outgoing.operation {
            if operation.cancelled.is_cancelled() {
                return None;
            }
            if outgoing.is_last {
                self.running().remove(&operation.id);
            }
        }
        Some((outgoing.message, (outgoing.unanswered, outgoing.response)))
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        for operation in self.running().values() {
            operation.cancelled.cancel();
        }
    }
}

/// Executes an operation that came in a message of so many bytes.
pub(super) async fn run<E: Execute>(
    execute: E,
    caller: Arc<Caller<E::Admitted>>,
    params: GraphQLParams,
    bytes: usize,
) -> Outcome {
    let limits = execute.limits();
    if let Err(error) = limits.charge(&caller, REQUEST_COST) {
        return Outcome::Rejected(error.into());
    }
    let mut held = limits.hold();
    if let Err(error) = limits.add(&mut held, bytes, &caller) {
        return Outcome::Rejected(error.into());
    }
    execute.execute(params, &caller, Transport::WebSocket).await
}

/// Sends the results of an operation to the client.
struct Responder {
    operation: Arc<Operation>,
    outbox: Outbox,
    closing: Closing,
    /// Until the last message, or until it is known to be a subscription.
    unanswered: Option<TaskTrackerToken>,
}

/// How the results of an operation end.
enum End {
    Complete,
    Rejected(Rejection),
    /// A subscription of a socket that is being closed, so that it is not taken for complete.
    Closed,
}

impl Responder {
    async fn run(mut self, begun: BoxFuture<'static, Begun>, id: RequestId) {
        let results = AssertUnwindSafe(self.results(begun)).catch_unwind();
        let last = match results.await {
            Ok(End::Complete) => message::complete(&self.operation.id),
            Ok(End::Rejected(rejection)) => {
                message::error(&self.operation.id, &rejection.errors_json())
            }
            Ok(End::Closed) => return,
            Err(_) => {
                // The panic hook has said what happened; without a response the client would wait for ever.
                let rejection = Rejection::internal(&id);
                message::error(&self.operation.id, &rejection.errors_json())
            }
        };
        self.send(|| last, None, true).await;
    }

    async fn results(&mut self, begun: BoxFuture<'static, Begun>) -> End {
        let (outcome, mut ended) = begun.await;
        let mut events = match outcome {
            Outcome::Rejected(rejection) => return End::Rejected(rejection),
            Outcome::NotBegun(rejection) => {
                self.closing.begin(1013, rejection.message().to_owned());
                return End::Closed;
            }
            Outcome::Single(body) | Outcome::Replayed(body) => {
                let event = Event {
                    body: body.json,
                    cursor: None,
                };
                stream::iter([event]).boxed()
            }
            Outcome::Stream(events) => {
                self.unanswered = None;
                events.stream
            }
        };
        let operation = Arc::clone(&self.operation);
        loop {
            let event = tokio::select! {
                biased;
                rejection = or_never(ended.as_mut()) => return End::Rejected(rejection),
                event = events.next() => event,
            };
            let Some(event) = event else {
                return End::Complete;
            };
            if self.unanswered.is_none() && self.closing.has_begun() {
                // Of a subscription. The socket is closed before long, perhaps because this may not be sent any more.
                return End::Closed;
            }
            let response = self.unanswered.as_ref().map(|_| event.body.clone());
            let next = || message::next(&operation.id, &event.body);
            self.send(next, response, false).await;
        }
    }

    /// Waits for room in the queue, which is how a slow client slows its sources. The message is made only then: until
    /// then equal operations share the body of their response.
    async fn send(
        &mut self,
        message: impl FnOnce() -> Message,
        response: Option<Bytes>,
        is_last: bool,
    ) {
        match self.outbox.reserve().await {
            Ok(room) => room.send(Box::new(Outgoing {
                message: message(),
                operation: Some(Arc::clone(&self.operation)),
                is_last,
                unanswered: self.unanswered.take_if(|_| is_last),
                response,
            })),
            // The socket has ended, and this operation is about to be cancelled. Going on would be an
            // endless loop if the source is endless, since nothing makes it wait any more.
            Err(_) => std::future::pending().await,
        }
    }
}
