//! Single flight and batching without staleness.
//!
//! [`Coalescer`] lets equal calls share one execution, [`Batcher`] gathers lookups by key into one load. Both follow
//! one rule: a call joins only an execution that has not begun. The usual single flight lets a call join one that has
//! begun, so a read may miss a write that was already acknowledged to the same caller. Here a read that begins after a
//! write never misses it, exactly as if it had run alone.
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//!
//! use coalesce::{Coalescer, Limits};
//! use futures_util::future::join_all;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), coalesce::Panicked> {
//! static EXECUTIONS: AtomicU32 = AtomicU32::new(0);
//! let expensive = async || {
//!     tokio::time::sleep(Duration::from_millis(10)).await;
//!     EXECUTIONS.fetch_add(1, Ordering::Relaxed)
//! };
//!
//! let reads = Coalescer::new(Limits::default());
//! let results = join_all((0..100).map(|_| reads.get("front page", || expensive()))).await;
//! // The first call found nothing to join and ran at once. The other 99 shared the next execution.
//! assert_eq!(results[0], Ok(0));
//! assert!(results[1..].iter().all(|result| *result == Ok(1)));
//!
//! let counts = reads.counts();
//! assert_eq!((counts.executions, counts.joins), (2, 98));
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is spawned: an execution runs in the future of one of the calls that wait for it; if that one is dropped,
//! another begins it again.

mod batch;
mod coalescer;
mod group;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

pub use batch::{BatchFailure, BatchLimits, Batcher};
pub use coalescer::{Coalescer, Limits};

/// The execution that the call waited for panicked. The panic hook has reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the execution panicked")]
pub struct Panicked;

/// How often work was executed and how often it was shared, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Executions begun.
    pub executions: u64,
    /// Calls that got the result of an execution that another call ran.
    pub joins: u64,
}

#[derive(Debug, Default)]
struct Counters {
    executions: AtomicU64,
    joins: AtomicU64,
}

impl Counters {
    fn read(&self) -> Counts {
        Counts {
            executions: self.executions.load(Ordering::Relaxed),
            joins: self.joins.load(Ordering::Relaxed),
        }
    }
}
