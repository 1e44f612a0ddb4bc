//! One socket from its first message to its last: listens, writes and watches the clock, all in one task.
//!
//! The server closes with a code when the client breaks the protocol, when its admission ends, when the database is
//! away, or when the server stops; it drops the connection when there is nobody to hear a code.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout_at;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tungstenite::Error;

use super::WebSocketSettings;
use super::closing::Closing;
use super::message::{self, ClientMessage, close};
use super::operation::{Kept, Operations, Outbox, Outgoing};
use crate::admission::Rejection;
use crate::caller_limits::{CallerLimits, REQUEST_COST, StreamSlot};
use crate::error::{Detail, ErrorCode, ResponseError};
use crate::graphql::operation::{
    Caller, Execute, GraphQLParams, Outcome, Refusal, Transport, or_never,
};
use graphql_guard::json::ObjectText;
use graphql_guard::shorten;

const SHUTTING_DOWN: &str = "The server is shutting down";

const ADMISSION_ENDED: &str = "Admission has ended";

/// How a socket ends.
enum End {
    /// With a code and a reason.
    Close(CloseFrame),
    /// The client has closed it, or has gone without a word.
    Gone,
}

/// A socket as it is written to and read from.
type Halves = (SplitSink<WebSocket, Message>, SplitStream<WebSocket>);

/// Serves a socket to its end.
pub(super) async fn serve<E: Execute>(
    (mut sink, mut stream): Halves,
    execute: E,
    caller: Caller,
    settings: Arc<WebSocketSettings>,
    (limits, slot): (CallerLimits, StreamSlot),
    stop: CancellationToken,
) {
    let (outbox, queue) = mpsc::channel(settings.queue);
    let closing = Closing::default();
    let operations = Operations::new(closing.clone());
    let mut listener = Listener {
        execute,
        caller: Arc::new(caller),
        settings: &settings,
        limits,
        slot,
        operations: &operations,
        closing: &closing,
        outbox,
        initialisation_ends: Instant::now() + settings.initialisation,
        state: State::Opened,
    };
    let stopping = async {
        stop.cancelled().await;
        closing.begin(1001, SHUTTING_DOWN);
        std::future::pending::<()>().await;
    };
    let end = tokio::select! {
        biased;
        () = stopping => End::Gone,
        frame = closing.finished() => End::Close(match stop.is_cancelled() {
            // Whatever was decided before, such as by a subscription that may not begin any more.
            true => close(1001, SHUTTING_DOWN),
            false => frame,
        }),
        () = write(&mut sink, queue, &operations, settings.ping_every) => End::Gone,
        end = listener.listen(&mut stream) => end,
    };
    drop(listener);
    drop(operations);
    if let End::Close(frame) = end {
        say_farewell(&mut sink, &mut stream, frame, settings.farewell).await;
    }
}

/// Closes a socket on which nothing can be said.
pub(super) async fn refuse(
    (mut sink, mut stream): Halves,
    frame: CloseFrame,
    settings: Arc<WebSocketSettings>,
) {
    say_farewell(&mut sink, &mut stream, frame, settings.farewell).await;
}

/// Sends the code, and waits until the client has answered it: a connection that is dropped with
/// unread bytes is reset, and the code would be lost with it.
async fn say_farewell(
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
    frame: CloseFrame,
    patience: Duration,
) {
    let is_too_big = frame.code == 1009;
    let farewell = async {
        if sink.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        while let Some(Ok(_)) = stream.next().await {}
        if is_too_big {
            // The rest of the message cannot be read, so the answer behind it cannot either.
            sleep(patience).await;
        }
    };
    let _ = timeout(patience, farewell).await;
}

/// Writes what is in the queue, and pings; ends when the connection breaks.
async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Box<Outgoing>>,
    operations: &Operations,
    ping_every: Duration,
) {
    let mut pings = interval_at(Instant::now() + ping_every, ping_every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let released = tokio::select! {
            biased;
            _ = pings.tick() => Some((Message::Ping(Bytes::new()), Kept::default())),
            outgoing = queue.recv() => match outgoing {
                Some(outgoing) => operations.release(*outgoing),
                None => return,
            },
        };
        // What is kept is dropped when the message has been written.
        if let Some((message, _kept)) = released
            && sink.send(message).await.is_err()
        {
            return;
        }
    }
}

enum State {
    /// `connection_init` is still to come.
    Opened,
    /// Operations may run, until what the caller was admitted by has ended.
    Acknowledged {
        ended: Option<BoxFuture<'static, ()>>,
    },
}

struct Listener<'a, E> {
    execute: E,
    caller: Arc<Caller>,
    settings: &'a WebSocketSettings,
    limits: CallerLimits,
    /// Counts the socket for its caller.
    slot: StreamSlot,
    operations: &'a Operations,
    closing: &'a Closing,
    outbox: Outbox,
    initialisation_ends: Instant,
    state: State,
}

impl<E: Execute> Listener<'_, E> {
    async fn listen(&mut self, stream: &mut SplitStream<WebSocket>) -> End {
        let silence = self.settings.silence;
        loop {
            let message = tokio::select! {
                biased;
                end = self.deadline() => return end,
                message = timeout(silence, stream.next()) => message,
            };
            let handled = match message {
                // In a box: most of the time there is nothing to hear.
                Ok(Some(Ok(Message::Text(text)))) => Box::pin(self.hear(&text)).await,
                Ok(Some(Ok(Message::Binary(_)))) => Err(bad_request("Messages must be text")),
                // Tungstenite answers a ping by itself, and a close when the stream is read to its end.
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)))) => Ok(()),
                Ok(Some(Err(error))) => Err(broken(&error)),
                Ok(None) | Err(_) => Err(End::Gone),
            };
            if let Err(end) = handled {
                return end;
            }
        }
    }

    /// Comes when the client has taken too long to begin, or its admission is over.
    async fn deadline(&mut self) -> End {
        match &mut self.state {
            State::Opened => {
                sleep_until(self.initialisation_ends).await;
                initialisation_timeout()
            }
            State::Acknowledged { ended } => {
                or_never(ended.as_mut()).await;
                *ended = None;
                self.closing.begin(4403, ADMISSION_ENDED);
                std::future::pending().await
            }
        }
    }

    async fn hear(&mut self, text: &str) -> Result<(), End> {
        match ClientMessage::parse(text).map_err(|reason| bad_request(&reason))? {
            ClientMessage::ConnectionInit(payload) => self.initialise(payload).await,
            ClientMessage::Ping(payload) => self.reply(message::pong(payload)).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { id, params } => self.subscribe(id, params, text.len()).await,
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
        }
    }

    async fn initialise(&mut self, payload: Option<ObjectText>) -> Result<(), End> {
        if let State::Acknowledged { .. } = self.state {
            return Err(End::Close(close(4429, "Too many initialisation requests")));
        }
        // In a box, which is there for this moment only.
        let admitted = Box::pin(self.execute.admit(&self.caller.headers, payload.as_ref()));
        let admitted = timeout_at(self.initialisation_ends, admitted)
            .await
            .map_err(|_| initialisation_timeout())?
            .map_err(not_admitted)?;
        let caller = Arc::make_mut(&mut self.caller);
        caller.connection_init = payload;
        caller.admitted = admitted;
        let key = caller.key(&self.limits);
        self.limits
            .hand_over(&mut self.slot, key)
            .map_err(|rejection| {
                // To come back later. 4429 would mean something else, and be final.
                End::Close(close(1013, &rejection.to_string()))
            })?;
        self.state = State::Acknowledged {
            ended: self.execute.ended(&self.caller),
        };
        self.reply(message::connection_ack()).await
    }

    /// Starts an operation that came in a message of so many bytes.
    async fn subscribe(
        &mut self,
        id: String,
        params: GraphQLParams,
        bytes: usize,
    ) -> Result<(), End> {
        if let State::Opened = self.state {
            return Err(End::Close(close(4401, "Unauthorized")));
        }
        if self.closing.has_begun() {
            // Not taken: the client sends it again after the close that is about to come.
            return Ok(());
        }
        if self.operations.contains(&id) {
            let reason = format!("Subscriber for {} already exists", shorten::of(&id));
            return Err(End::Close(close(4409, &reason)));
        }
        let limit = self.settings.operations;
        if self.operations.count() >= limit {
            let refusal = too_many_operations(limit);
            return self
                .reply(message::error(&id, &refusal.errors_json()))
                .await;
        }
        let (caller, execute) = (Arc::clone(&self.caller), self.execute.clone());
        let limits = self.limits.clone();
        let request_id = caller.request_id.clone();
        let outcome = async move {
            if let Err(rejection) = caller.charge(&limits, REQUEST_COST) {
                return Outcome::Refused(rejection.into());
            }
            let mut held = limits.bodies().hold();
            let owner = || limits.network(caller.peer, &caller.headers);
            if let Err(rejection) = held.add(bytes, owner) {
                return Outcome::Refused(rejection.into());
            }
            execute.execute(params, &caller, Transport::WebSocket).await
        };
        // In a box of its own, which is given back before a subscription begins to wait: it is large.
        let (outcome, outbox) = (outcome.boxed(), self.outbox.clone());
        self.operations.start(id, outcome, request_id, outbox);
        Ok(())
    }

    /// A client that does not read is not listened to either, and is given up in time.
    async fn reply(&mut self, message: Message) -> Result<(), End> {
        let message = Box::new(message.into());
        match timeout(self.settings.silence, self.outbox.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

fn bad_request(reason: &str) -> End {
    End::Close(close(4400, reason))
}

/// 4401 would keep the client from coming back with another token.
fn not_admitted(rejection: Rejection) -> End {
    let code = match rejection {
        Rejection::KeysMissing => 1013,
        _ => 4403,
    };
    End::Close(close(code, &rejection.to_string()))
}

fn initialisation_timeout() -> End {
    End::Close(close(4408, "Connection initialisation timeout"))
}

fn too_many_operations(limit: usize) -> Refusal {
    let message = format!("at most {limit} operations may run on one socket");
    let value = limit + 1;
    let error = ResponseError::new(ErrorCode::TooComplex, message);
    let error = error.with(Detail::Count { limit, value });
    Refusal::with_errors(StatusCode::BAD_REQUEST, [error])
}

/// What a connection that cannot be read any further is told, if anybody is left to hear it.
fn broken(error: &axum::Error) -> End {
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(Error::Capacity(_)) => End::Close(close(1009, "Message too big")),
        Some(Error::Utf8(_)) => End::Close(close(1007, "Text must be UTF-8")),
        Some(Error::Protocol(_)) => End::Close(close(1002, "Not a WebSocket frame")),
        _ => End::Gone,
    }
}
