//! The operations on one socket, each in its own task.
//!
//! All of them send to one short queue in order: a busy operation cannot starve the others, and when the client does
//! not read, every source waits. An id is free again after its last message was written, so that no message of an old
//! operation is taken for one of a new operation with the same id.

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
use crate::operation::{Caller, Execute, GraphQLParams, Outcome, Transport, or_pending};
use crate::rejection::Rejection;
use crate::request_id::RequestId;

/// The queue of messages to the client. Each message is boxed: a channel allocates room for many messages, whatever its
/// bound.
pub(super) type Outbox = mpsc::Sender<Box<Outgoing>>;

/// A message to the client, and its operation, if any.
pub(super) struct Outgoing {
    message: Message,
    operation: Option<Arc<Operation>>,
    is_last: bool,
    /// Set on the last message of a query or a mutation.
    unanswered: Option<TaskTrackerToken>,
    /// The response of a query or a mutation, which is counted until its message is written.
    response: Option<Bytes>,
}

/// Values that are held until a message is written.
pub(super) type HeldValues = (Option<TaskTrackerToken>, Option<Bytes>);

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

/// The operations of a socket. Dropping it cancels all of them.
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

    /// Runs an operation under a free id, and sends its results to the client.
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

    /// The client cancels an operation; an unknown id is that of an operation that has just ended.
    pub(super) fn stop(&self, id: &str) {
        if let Some(operation) = self.running().remove(id) {
            operation.cancelled.cancel();
        }
    }

    /// The message to write, and the values to hold until it is written; `None` where the client has cancelled the
    /// operation in the meantime.
    pub(super) fn release(&self, outgoing: Outgoing) -> Option<(Message, HeldValues)> {
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

/// Executes an operation from a message of `bytes` bytes.
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
    /// Held until the last message, or until the operation turns out to be a subscription.
    unanswered: Option<TaskTrackerToken>,
}

/// How the results of an operation end.
enum End {
    Complete,
    Rejected(Rejection),
    /// A subscription on a socket that is being closed: it must not look complete to the client.
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
                // The panic hook has logged the panic; without a response the client would wait for ever.
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
                rejection = or_pending(ended.as_mut()) => return End::Rejected(rejection),
                event = events.next() => event,
            };
            let Some(event) = event else {
                return End::Complete;
            };
            if self.unanswered.is_none() && self.closing.has_begun() {
                // The socket is about to close, perhaps because this subscription may not send any more.
                return End::Closed;
            }
            let response = self.unanswered.as_ref().map(|_| event.body.clone());
            let next = || message::next(&operation.id, &event.body);
            self.send(next, response, false).await;
        }
    }

    /// Waits for room in the queue, which is how a slow client slows its sources. The message is built only then: until
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
            // The socket has ended, and this operation is about to be cancelled. Returning instead would loop for ever
            // on an endless source, because nothing limits it any more.
            Err(_) => std::future::pending().await,
        }
    }
}
