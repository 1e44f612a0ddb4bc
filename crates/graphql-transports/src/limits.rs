//! The trait by which the transports count what callers use.

use std::convert::Infallible;

use bytes::Bytes;

use super::operation::Caller;
use super::rate_limit::RateLimit;
use super::rejection::Rejection;

/// The cost of each request, whatever its outcome; the cost of its operation is added.
pub const REQUEST_COST: u64 = 1;

/// Limits what callers use: WebSockets and event streams, bytes of requests and responses in memory, and cost. Cheap to
/// clone.
///
/// `A` is the type of an admitted caller, [`Admit::Caller`](super::Admit::Caller).
pub trait LimitCallers<A>: Clone + Send + Sync + 'static {
    /// Counts a WebSocket or an event stream until it is dropped.
    type Stream: Send + Sync + 'static;

    /// Counts the bytes of a request until it is dropped.
    type Bytes<'l>: Send;

    /// Why a limit is exceeded.
    type Error: Into<Rejection> + Send;

    /// Charges the caller, and returns what it has left, for the fields `RateLimit` and `RateLimit-Policy`; `None`
    /// where there is no limit.
    ///
    /// # Errors
    /// It has too little left.
    fn charge(&self, caller: &Caller<A>, cost: u64) -> Result<Option<RateLimit>, Self::Error>;

    /// Counts a WebSocket or an event stream of this caller.
    ///
    /// # Errors
    /// There are too many.
    fn open_stream(&self, caller: &Caller<A>) -> Result<Self::Stream, Self::Error>;

    /// Counts a WebSocket for its caller, once it has authenticated.
    ///
    /// # Errors
    /// That caller has too many. The socket closes with 1013.
    fn hand_over(&self, stream: &mut Self::Stream, caller: &Caller<A>) -> Result<(), Self::Error>;

    /// Begins to count the bytes of a request.
    fn hold(&self) -> Self::Bytes<'_>;

    /// Counts this number of further bytes of a request that is being read or executed.
    ///
    /// # Errors
    /// There are too many.
    fn add(
        &self,
        held: &mut Self::Bytes<'_>,
        bytes: usize,
        caller: &Caller<A>,
    ) -> Result<(), Self::Error>;

    /// The same response, of which `count` bytes are counted until the last clone is dropped.
    ///
    /// # Errors
    /// There are too many.
    fn keep(&self, response: Bytes, count: usize, caller: &Caller<A>)
    -> Result<Bytes, Self::Error>;
}

/// Limits nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl<A> LimitCallers<A> for Unlimited {
    type Stream = ();
    type Bytes<'l> = ();
    type Error = Infallible;

    fn charge(&self, _: &Caller<A>, _: u64) -> Result<Option<RateLimit>, Infallible> {
        Ok(None)
    }

    fn open_stream(&self, _: &Caller<A>) -> Result<(), Infallible> {
        Ok(())
    }

    fn hand_over(&self, (): &mut (), _: &Caller<A>) -> Result<(), Infallible> {
        Ok(())
    }

    fn hold(&self) {}

    fn add(&self, (): &mut (), _: usize, _: &Caller<A>) -> Result<(), Infallible> {
        Ok(())
    }

    fn keep(&self, response: Bytes, _: usize, _: &Caller<A>) -> Result<Bytes, Infallible> {
        Ok(response)
    }
}
