//! The client at the other end of a connection, and how long it is waited for.
//!
//! All bytes of all routes go through here, those of WebSockets too. Nothing is timed as long as they flow.

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

/// How long, and how much, is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// A connection that takes nothing of what is written to it for so long is cut off; zero for never.
    pub(super) write_timeout: Duration,
    /// A client that has closed its sending side may wait for its answer, or may have gone, which looks the same until
    /// something is written. It is taken to have gone where nothing could be written for so long.
    pub(super) half_closed: Duration,
    /// How long what a client still sends is read and thrown away after the last answer: in all, and while nothing comes.
    pub(super) linger: Duration,
    pub(super) linger_silence: Duration,
    /// How much of it, in bytes.
    pub(super) linger_bytes: usize,
}

impl Default for Patience {
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
/// It is shut down as RFC 9112, section 9.6, has it: where a connection is closed with bytes that nobody has read, the
/// client's system throws the answer away, too. So what the client sends is read on until it has closed its side.
pub(super) struct Peer {
    stream: TcpStream,
    /// Counts the connection as long as it lasts, also when it has become a WebSocket.
    _slot: Slot<Network>,
    traffic: Arc<Traffic>,
    patience: Patience,
    /// Runs while nothing can be written.
    stalled: Timer,
    /// Runs since the client has closed its sending side, or since something was written after that.
    half_closed: Timer,
    lingering: Option<Box<Lingering>>,
    /// Ends the lingering.
    stop: CancellationToken,
}

impl Peer {
    pub(super) fn new(
        stream: TcpStream,
        (slot, traffic): (Slot<Network>, Arc<Traffic>),
        patience: Patience,
        stop: CancellationToken,
    ) -> Self {
        Self {
            stream,
            _slot: slot,
            traffic,
            patience,
            stalled: Timer::default(),
            half_closed: Timer::default(),
            lingering: None,
            stop,
        }
    }

    /// What became of an attempt to write, of which `bytes` are the beginning.
    fn after_writing(
        &mut self,
        written: Poll<Result<usize>>,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<Result<usize>> {
        let written = match written {
            // A socket is said to be writable once a third of its buffer is free, which a slow client may take long for.
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
        let timeout = self.patience.write_timeout;
        if timeout.is_zero() || self.stalled.poll(timeout, context).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("a client took nothing for too long");
        // What is left in the system's buffers would keep the socket for a long time, and it is of no use to anybody.
        let _ = self.stream.set_zero_linger();
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Fails where the client is taken to have gone.
    fn look_whether_it_has_gone(&mut self, context: &mut Context<'_>) -> Result<()> {
        let mut byte = [0];
        let peeked = self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte));
        let patience = self.patience.half_closed;
        // An error is found by whoever reads or writes.
        if matches!(peeked, Poll::Ready(Ok(0)))
            && self.half_closed.poll(patience, context).is_ready()
        {
            let gone = "the client has gone";
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

    /// There is nothing to flush. It is asked whenever the connection is looked at and nothing waits to be written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.look_whether_it_has_gone(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let lingering = this
            .lingering
            .get_or_insert_with(|| Box::new(Lingering::new(this.patience, &this.stop)));
        let before = lingering.bytes;
        let ended = lingering.poll(&mut this.stream, context);
        this.traffic.receive(lingering.bytes - before);
        ended.map(Ok)
    }
}

/// Reads what a client still sends and throws it away.
struct Lingering {
    patience: Patience,
    end: Pin<Box<Sleep>>,
    silence: Timer,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    bytes: usize,
}

impl Lingering {
    fn new(patience: Patience, stop: &CancellationToken) -> Self {
        Self {
            patience,
            end: Box::pin(sleep(patience.linger)),
            silence: Timer::default(),
            stop: Box::pin(stop.clone().cancelled_owned()),
            bytes: 0,
        }
    }

    fn poll(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        const AT_ONCE: usize = 16 * 1024;
        if self.stop.as_mut().poll(context).is_ready() || self.end.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(());
        }
        let mut buffer = [0; AT_ONCE];
        while self.bytes < self.patience.linger_bytes {
            let mut buffer = ReadBuf::new(&mut buffer);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.bytes += buffer.filled().len();
                    self.silence.stop();
                }
                Poll::Ready(_) => break,
                Poll::Pending => {
                    let silence = self.patience.linger_silence;
                    return self.silence.poll(silence, context);
                }
            }
        }
        Poll::Ready(())
    }
}
