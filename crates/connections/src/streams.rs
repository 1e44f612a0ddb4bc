//! The streams of an HTTP/2 connection: how many are open, and which client does not read.
//!
//! Bytes may flow on a connection while one of its responses waits for ever, because the client gives its stream no room.
//! What is not read is kept by h2, beyond the sight of hyper and of the handler. So responses are handed over in pieces
//! that tell when they are gone, and a stream of which none goes for too long is reset.

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

/// The bytes of a piece: those of a frame, unless the client allows for more.
const PIECE_BYTES: usize = 16 * 1024;

/// Pieces of one response that may be on their way.
const PIECES: usize = 4;

tokio::task_local! {
    /// The response that is sent by the task of a stream.
    static SENDING: Arc<Sending>;
}

/// The streams of one connection. It runs them, each in a task. Clones share everything.
#[derive(Clone)]
pub(super) struct Streams(Arc<Inner>);

struct Inner {
    /// A client that takes no piece of a response for so long is cut off; zero for never.
    write_timeout: Duration,
    open: AtomicUsize,
    /// Since when none is open.
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

    /// Whether any is open.
    pub(super) fn are_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire) > 0
    }

    /// Comes when no stream was open for so long, from now on.
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

    /// Comes when the end of a response was not read for too long. Its stream cannot be reset any more.
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

/// Counts a stream until it is dropped.
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

/// Runs a stream until its response is sent, or not read for too long.
async fn run(stream: impl Future<Output = ()>, sending: Arc<Sending>, open: Open) {
    let timeout = open.0.write_timeout;
    let mut stream = pin!(stream);
    let mut is_done = false;
    let mut stalled = Timer::default();
    let mut sent = 0;
    let is_stalled = std::future::poll_fn(|context| {
        // Before anything is looked at, so that no piece goes unnoticed.
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
        tracing::debug!("a client took nothing of a response for too long");
        // What is not done is reset when it is dropped.
        if is_done {
            open.0.stalled.cancel();
        }
    }
}

/// What is on its way to the client.
#[derive(Default)]
struct Sending {
    /// Pieces that are.
    unsent: AtomicUsize,
    /// Pieces that were.
    sent: AtomicU64,
    /// The task of the stream.
    waker: AtomicWaker,
}

/// A response's body, handed over in pieces.
pub(super) struct Pieces {
    body: Body,
    /// What was taken from the body, and is still to be handed over.
    rest: Bytes,
    sending: Arc<Sending>,
    /// Counts the request.
    _slot: Option<Slot<Network>>,
}

impl Pieces {
    /// To be called in the task of the stream.
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
        // Each piece that goes wakes the task.
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

/// Bytes that tell when they are sent, or given up: when they are dropped.
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
