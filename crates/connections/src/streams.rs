//! The streams of an HTTP/2 connection: how many are open, and which client does not read.
//!
//! Bytes may flow on a connection while one of its responses waits for ever, because the client does not extend the
//! stream's flow-control window. h2 buffers the unread bytes where neither hyper nor the handler can see them. So
//! responses are handed over in pieces that report when they are sent, and a stream that sends no piece for too long is
//! reset.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::timer::Timer;
use broadsheet_caller_limits::{Network, Slot};

/// The size of a piece: the default maximum frame size.
const PIECE_BYTES: usize = 16 * 1024;

/// The number of pieces of one response that may be in h2's buffers.
const PIECES: usize = 4;

tokio::task_local! {
    /// The response that the current stream's task is sending.
    static SENDING: Arc<Sending>;
}

/// The streams of one connection. Runs each stream in its own task. Clones share everything.
#[derive(Clone)]
pub(super) struct Streams(Arc<Inner>);

struct Inner {
    /// A client that accepts no piece of a response for this long is cut off; zero for no limit.
    write_timeout: Duration,
    open: AtomicUsize,
    /// Since when no stream is open.
    idle_since: Mutex<Instant>,
    stalled: CancellationToken,
}

impl Streams {
    pub(super) fn new(write_timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            write_timeout,
            open: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            stalled: CancellationToken::new(),
        }))
    }

    /// Whether any stream is open.
    pub(super) fn are_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire) > 0
    }

    /// Completes when no stream has been open for `limit`, counted from now at the earliest.
    pub(super) async fn idle_for(&self, limit: Duration) {
        let began = Instant::now();
        loop {
            let idle = match self.0.open.load(Ordering::Acquire) {
                0 => self.0.idle_since().elapsed().min(began.elapsed()),
                _ => Duration::ZERO,
            };
            let remaining = limit.saturating_sub(idle);
            if remaining.is_zero() {
                return;
            }
            sleep(remaining).await;
        }
    }

    /// Completes when a client has not read the end of a response for too long, and its stream can no longer be reset.
    pub(super) async fn stalled(&self) {
        self.0.stalled.cancelled().await;
    }

    fn open(&self) -> Open {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        Open(Arc::clone(&self.0))
    }
}

impl Inner {
    fn idle_since(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a stream as open until it is dropped.
struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        *self.0.idle_since() = Instant::now();
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let open = self.open();
        let sending = Arc::new(Sending::default());
        let whole = run(stream, Arc::clone(&sending), open);
        tokio::spawn(SENDING.scope(sending, whole));
    }
}

/// Runs a stream until its response is sent, or until the client has not read it for too long.
async fn run(stream: impl Future<Output = ()>, sending: Arc<Sending>, open: Open) {
    let timeout = open.0.write_timeout;
    let mut stream = pin!(stream);
    let mut is_done = false;
    let mut stalled = Timer::default();
    let mut sent = 0;
    let is_stalled = std::future::poll_fn(|context| {
        // Registered before the counters are read, so that no sent piece goes unnoticed.
        sending.waker.register(context.waker());
        is_done = is_done || stream.as_mut().poll(context).is_ready();
        if sending.unsent.load(Ordering::Acquire) == 0 {
            stalled.stop();
            return if is_done {
                Poll::Ready(false)
            } else {
                Poll::Pending
            };
        }
        let now_sent = sending.sent.load(Ordering::Acquire);
        if now_sent != sent {
            sent = now_sent;
            stalled.stop();
        }
        if timeout.is_zero() {
            return Poll::Pending;
        }
        stalled.poll(timeout, context).map(|()| true)
    });
    if is_stalled.await {
        tracing::debug!("a client accepted no bytes of a response for too long");
        // A stream that is not done is reset when its future is dropped.
        if is_done {
            open.0.stalled.cancel();
        }
    }
}

/// The progress of a response to its client.
#[derive(Default)]
struct Sending {
    /// Pieces that are handed over and not sent yet.
    unsent: AtomicUsize,
    /// Pieces that were sent.
    sent: AtomicU64,
    /// The task of the stream.
    waker: AtomicWaker,
}

/// A response's body, handed over in pieces.
pub(super) struct Pieces {
    body: Body,
    /// Bytes that were taken from the body and are still to be handed over.
    rest: Bytes,
    sending: Arc<Sending>,
    /// Counts the request.
    _slot: Option<Slot<Network>>,
}

impl Pieces {
    /// Call this in the task of the stream.
    pub(super) fn of(body: Body, slot: Option<Slot<Network>>) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            _slot: slot,
            sending: SENDING.try_with(Arc::clone).unwrap_or_default(),
        }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        // Each piece that is sent wakes the task.
        if self.sending.unsent.load(Ordering::Acquire) >= PIECES {
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => {
                        let trailers = frame.into_trailers().ok().map(Frame::trailers);
                        return Poll::Ready(trailers.map(Ok));
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let bytes = self.rest.split_to(length);
        let piece = Piece::new(bytes, Arc::clone(&self.sending));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.is_empty() {
            true => self.body.size_hint(),
            false => SizeHint::default(),
        }
    }
}

/// Bytes that report when they are sent or discarded, which is when they are dropped.
pub(super) struct Piece {
    bytes: Bytes,
    sending: Arc<Sending>,
}

impl Piece {
    fn new(bytes: Bytes, sending: Arc<Sending>) -> Self {
        sending.unsent.fetch_add(1, Ordering::AcqRel);
        Self { bytes, sending }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.sending.sent.fetch_add(1, Ordering::AcqRel);
        self.sending.unsent.fetch_sub(1, Ordering::AcqRel);
        self.sending.waker.wake();
    }
}
