//! The client's end of a connection, and how long we wait for it.
//!
//! All bytes of all routes pass through here, including those of WebSockets. No timer runs while they flow.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::timer::Timer;
use broadsheet_caller_limits::{Network, Slot, Traffic};

/// How long to wait for a client, and how many bytes to discard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// A connection that accepts no bytes for this long is cut off; zero for no limit.
    pub(super) write_timeout: Duration,
    /// A client that has closed its sending side may be waiting for its response, or may be gone; until something is
    /// written, both look the same. It counts as gone when nothing could be written for this long.
    pub(super) half_closed: Duration,
    /// How long bytes that a client still sends are read and discarded after the last response: in total, and while
    /// none arrive.
    pub(super) linger: Duration,
    pub(super) linger_silence: Duration,
    /// The limit on these bytes.
    pub(super) linger_bytes: usize,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            write_timeout: Duration::from_mins(1),
            half_closed: Duration::from_secs(2),
            linger: Duration::from_secs(30),
            linger_silence: Duration::from_secs(3),
            linger_bytes: 64 * 1024 * 1024,
        }
    }
}

/// A connection to a client.
///
/// It is shut down as RFC 9112, section 9.6, requires: if a connection is closed while bytes are unread, the client's
/// system discards the response, too. So the server keeps reading until the client has closed its side.
pub(super) struct Peer {
    stream: TcpStream,
    /// Counts the connection for as long as it lasts, even after it has become a WebSocket.
    _slot: Slot<Network>,
    traffic: Arc<Traffic>,
    timeouts: Timeouts,
    /// Runs while no byte can be written.
    stalled: Timer,
    /// Runs from when the client closed its sending side, or from the last write after that.
    half_closed: Timer,
    lingering: Option<Box<Lingering>>,
    /// Cancels the reading after the last response.
    stop: CancellationToken,
}

impl Peer {
    pub(super) fn new(
        stream: TcpStream,
        (slot, traffic): (Slot<Network>, Arc<Traffic>),
        timeouts: Timeouts,
        stop: CancellationToken,
    ) -> Self {
        Self {
            stream,
            _slot: slot,
            traffic,
            timeouts,
            stalled: Timer::default(),
            half_closed: Timer::default(),
            lingering: None,
            stop,
        }
    }

    /// The result of an attempt to write `bytes`, or at least the first of them. Updates the timers.
    fn after_writing(
        &mut self,
        written: Poll<Result<usize>>,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<Result<usize>> {
        let written = match written {
            // The system reports a socket as writable only once a third of its buffer is free, which a slow client may
            // take long to do. So we try to write.
            Poll::Pending => match SockRef::from(&self.stream).send(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
                written => Poll::Ready(written),
            },
            Poll::Ready(written) => Poll::Ready(written),
        };
        if let Poll::Ready(written) = &written {
            self.traffic
                .send(written.as_ref().copied().unwrap_or_default());
            self.stalled.stop();
            self.half_closed.stop();
        }
        if written.is_ready() {
            return written;
        }
        let timeout = self.timeouts.write_timeout;
        if timeout.is_zero() || self.stalled.poll(timeout, context).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("a client accepted no bytes for too long");
        // The system would keep the socket for a long time to send what is left in its buffers, which is of no use to
        // anyone.
        let _ = self.stream.set_zero_linger();
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Fails where the client counts as gone.
    fn check_half_closed(&mut self, context: &mut Context<'_>) -> Result<()> {
        let mut byte = [0];
        let peeked = self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte));
        let timeout = self.timeouts.half_closed;
        // The caller's own read or write will find any error.
        if matches!(peeked, Poll::Ready(Ok(0)))
            && self.half_closed.poll(timeout, context).is_ready()
        {
            let gone = "the client has disconnected";
            return Err(Error::new(ErrorKind::ConnectionAborted, gone));
        }
        Ok(())
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.traffic.receive(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_writing(written, bytes, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.after_writing(written, first.map_or(&[], |slice| slice), context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// There is nothing to flush. hyper calls this whenever it polls the connection and has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.check_half_closed(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let lingering = this
            .lingering
            .get_or_insert_with(|| Box::new(Lingering::new(this.timeouts, &this.stop)));
        let before = lingering.bytes;
        let ended = lingering.poll(&mut this.stream, context);
        this.traffic.receive(lingering.bytes - before);
        ended.map(Ok)
    }
}

/// Reads and discards what a client still sends.
struct Lingering {
    timeouts: Timeouts,
    end: Pin<Box<Sleep>>,
    silence: Timer,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    bytes: usize,
}

impl Lingering {
    fn new(timeouts: Timeouts, stop: &CancellationToken) -> Self {
        Self {
            timeouts,
            end: Box::pin(sleep(timeouts.linger)),
            silence: Timer::default(),
            stop: Box::pin(stop.clone().cancelled_owned()),
            bytes: 0,
        }
    }

    fn poll(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        const BLOCK: usize = 16 * 1024;
        if self.stop.as_mut().poll(context).is_ready() || self.end.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(());
        }
        let mut buffer = [0; BLOCK];
        while self.bytes < self.timeouts.linger_bytes {
            let mut buffer = ReadBuf::new(&mut buffer);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.bytes += buffer.filled().len();
                    self.silence.stop();
                }
                Poll::Ready(_) => break,
                Poll::Pending => {
                    let silence = self.timeouts.linger_silence;
                    return self.silence.poll(silence, context);
                }
            }
        }
        Poll::Ready(())
    }
}
