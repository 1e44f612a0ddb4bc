//! One socket from its first message to its last: reads, writes and enforces timeouts, all in one task.
//!
//! The server closes with a code when the client violates the protocol, when its credential expires, when a
//! subscription's resources are unavailable, or when the server stops; it drops the connection when the client can no
//! longer receive a code.

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

use super::closing::Closing;
use super::message::{self, ClientMessage, close};
use super::operation::{self, HeldValues, Operations, Outbox, Outgoing};
use super::{WebSocketSettings, authorization};
use crate::error::{Detail, ErrorCode, ResponseError};
use crate::limits::LimitCallers;
use crate::operation::{Caller, Execute, GraphQLParams, or_pending};
use crate::rejection::Rejection;
use graphql_guard::json::ObjectText;
use graphql_guard::truncate;

const SHUTTING_DOWN: &str = "The server is shutting down";

const ADMISSION_ENDED: &str = "Admission has ended";

/// How a socket ends.
enum End {
    /// With a code and a reason.
    Close(CloseFrame),
    /// The client has closed it, or has disconnected.
    Gone,
}

/// Counts a socket for its caller.
type Stream<E> = <<E as Execute>::Limits as LimitCallers<<E as Execute>::Admitted>>::Stream;

/// The writing and the reading half of a socket.
type Halves = (SplitSink<WebSocket, Message>, SplitStream<WebSocket>);

/// Serves a socket until it ends.
pub(super) async fn serve<E: Execute>(
    (mut sink, mut stream): Halves,
    execute: E,
    caller: Caller<E::Admitted>,
    settings: Arc<WebSocketSettings>,
    counted: Stream<E>,
    stop: CancellationToken,
) {
    let (outbox, queue) = mpsc::channel(settings.queue);
    let closing = Closing::default();
    let operations = Operations::new(closing.clone());
    let mut listener = Listener {
        execute,
        caller: Arc::new(caller),
        settings: &settings,
        counted,
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
            // With the code that was set before, for example by a subscription that may not begin any more.
            true => close(1001, SHUTTING_DOWN),
            false => frame,
        }),
        () = write(&mut sink, queue, &operations, settings.ping_every) => End::Gone,
        end = listener.listen(&mut stream) => end,
    };
    drop(listener);
    drop(operations);
    if let End::Close(frame) = end {
        close_and_wait(&mut sink, &mut stream, frame, settings.close_timeout).await;
    }
}

/// Closes a socket on which no message was sent yet.
pub(super) async fn close_at_once(
    (mut sink, mut stream): Halves,
    frame: CloseFrame,
    settings: Arc<WebSocketSettings>,
) {
    close_and_wait(&mut sink, &mut stream, frame, settings.close_timeout).await;
}

/// Sends the close frame, and waits for the client's confirmation: if a connection is dropped with unread bytes, it is
/// reset, and the code is lost.
async fn close_and_wait(
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
    frame: CloseFrame,
    close_timeout: Duration,
) {
    let is_too_big = frame.code == 1009;
    let close = async {
        if sink.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        while let Some(Ok(_)) = stream.next().await {}
        if is_too_big {
            // The rest of the message cannot be read, so neither can the confirmation after it.
            sleep(close_timeout).await;
        }
    };
    let _ = timeout(close_timeout, close).await;
}

/// Writes queued messages and pings; returns when the connection fails.
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
            _ = pings.tick() => Some((Message::Ping(Bytes::new()), HeldValues::default())),
            outgoing = queue.recv() => match outgoing {
                Some(outgoing) => operations.release(*outgoing),
                None => return,
            },
        };
        // `_kept` is dropped after the message has been written.
        if let Some((message, _kept)) = released
            && sink.send(message).await.is_err()
        {
            return;
        }
    }
}

enum State {
    /// `connection_init` has not arrived.
    Opened,
    /// Operations may run, until the caller's credential is no longer valid.
    Acknowledged {
        ended: Option<BoxFuture<'static, ()>>,
    },
}

struct Listener<'a, E: Execute> {
    execute: E,
    caller: Arc<Caller<E::Admitted>>,
    settings: &'a WebSocketSettings,
    counted: Stream<E>,
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
                // Boxed: most of the time there is no message.
                Ok(Some(Ok(Message::Text(text)))) => Box::pin(self.handle(&text)).await,
                Ok(Some(Ok(Message::Binary(_)))) => Err(bad_request("Messages must be text")),
                // Tungstenite responds to pings by itself, and to a close while the stream is read to its end.
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)))) => Ok(()),
                Ok(Some(Err(error))) => Err(broken(&error)),
                Ok(None) | Err(_) => Err(End::Gone),
            };
            if let Err(end) = handled {
                return end;
            }
        }
    }

    /// Completes when `connection_init` is late, or the credential is no longer valid.
    async fn deadline(&mut self) -> End {
        match &mut self.state {
            State::Opened => {
                sleep_until(self.initialisation_ends).await;
                initialisation_timeout()
            }
            State::Acknowledged { ended } => {
                or_pending(ended.as_mut()).await;
                *ended = None;
                self.closing.begin(4403, ADMISSION_ENDED);
                std::future::pending().await
            }
        }
    }

    async fn handle(&mut self, text: &str) -> Result<(), End> {
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
        // Boxed: the future is needed only for a moment.
        let admitted = Box::pin(self.execute.admit(&self.caller.headers, payload.as_ref()));
        let admitted = timeout_at(self.initialisation_ends, admitted)
            .await
            .map_err(|_| initialisation_timeout())?
            .map_err(|rejection| not_admitted(&rejection))?;
        let caller = Arc::make_mut(&mut self.caller);
        caller.connection_init = payload;
        caller.admitted = admitted;
        let limits = self.execute.limits();
        limits
            .hand_over(&mut self.counted, caller)
            .map_err(|error| {
                let rejection: Rejection = error.into();
                // 1013 asks the client to retry. 4429 would mean something else, and clients would not reconnect.
                End::Close(close(1013, rejection.message()))
            })?;
        self.state = State::Acknowledged {
            ended: self.execute.ended(&self.caller),
        };
        self.reply(message::connection_ack()).await
    }

    /// Starts an operation from a message of `bytes` bytes.
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
            // Ignored: the client sends it again after the close that follows.
            return Ok(());
        }
        if self.operations.contains(&id) {
            let reason = format!("Subscriber for {} already exists", truncate::of(&id));
            return Err(End::Close(close(4409, &reason)));
        }
        let limit = self.settings.operations;
        if self.operations.count() >= limit {
            let rejection = too_many_operations(limit);
            return self
                .reply(message::error(&id, &rejection.errors_json()))
                .await;
        }
        let (caller, execute) = (Arc::clone(&self.caller), self.execute.clone());
        let (request_id, outbox) = (caller.request_id.clone(), self.outbox.clone());
        // Boxed separately, and dropped before a subscription begins to wait: it is large.
        let begun = match authorization::of(&params) {
            None => {
                async move { (operation::run(execute, caller, params, bytes).await, None) }.boxed()
            }
            Some(token) => {
                let run = move |execute, caller| operation::run(execute, caller, params, bytes);
                authorization::run(execute, caller, token, run).boxed()
            }
        };
        self.operations.start(id, begun, request_id, outbox);
        Ok(())
    }

    /// While the client does not read, nothing is read from it, and it is dropped after a timeout.
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

/// 4401 would keep clients from reconnecting with another token.
fn not_admitted(rejection: &Rejection) -> End {
    let code = match rejection.status {
        StatusCode::SERVICE_UNAVAILABLE => 1013,
        _ => 4403,
    };
    End::Close(close(code, rejection.message()))
}

fn initialisation_timeout() -> End {
    End::Close(close(4408, "Connection initialisation timeout"))
}

fn too_many_operations(limit: usize) -> Rejection {
    let message = format!("at most {limit} operations may run on one socket");
    let value = limit + 1;
    let error = ResponseError::new(ErrorCode::TOO_COMPLEX, message);
    let error = error.with(Detail::Count { limit, value });
    Rejection::with_errors(StatusCode::BAD_REQUEST, [error])
}

/// How to close a connection that cannot be read any further, if the client can still receive it.
fn broken(error: &axum::Error) -> End {
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(Error::Capacity(_)) => End::Close(close(1009, "Message too big")),
        Some(Error::Utf8(_)) => End::Close(close(1007, "Text must be UTF-8")),
        Some(Error::Protocol(_)) => End::Close(close(1002, "Not a WebSocket frame")),
        _ => End::Gone,
    }
}
