//! How long tasks wait for the connections of a pool.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::statements;

/// Upper bounds of the histogram of waits, in seconds.
const SECONDS: [f64; 7] = [0.0, 0.001, 0.01, 0.1, 0.5, 1.0, f64::INFINITY];

/// The waits for connections since the start.
#[derive(Debug, Default)]
pub(super) struct Waits {
    counts: [AtomicU64; SECONDS.len()],
    nanoseconds: AtomicU64,
}

/// A snapshot of the counted waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaitCounts {
    /// For each upper bound, in seconds, the number of waits up to it and above the previous bound. The first bucket
    /// counts connections that were available immediately.
    pub buckets: [(f64, u64); SECONDS.len()],
    /// The total duration of all waits.
    pub total: Duration,
}

impl WaitCounts {
    /// No waits.
    pub(super) const NONE: Self = Self {
        buckets: [(0.0, 0); SECONDS.len()],
        total: Duration::ZERO,
    };
}

impl Waits {
    /// Awaits a connection. Does not read the clock where one is available immediately.
    pub(super) async fn time<F: Future>(&self, mut connection: Pin<&mut F>) -> F::Output {
        let mut began = None;
        let ready = std::future::poll_fn(|context| match connection.as_mut().poll(context) {
            Poll::Ready(ready) => Poll::Ready(ready),
            Poll::Pending => {
                began.get_or_insert_with(Instant::now);
                Poll::Pending
            }
        });
        let ready = ready.await;
        let waited = began.map(|began| began.elapsed());
        if let Some(waited) = waited {
            statements::waited(waited);
        }
        self.count(waited.unwrap_or_default());
        ready
    }

    /// Counts a wait that has ended.
    pub(super) fn count(&self, waited: Duration) {
        let seconds = waited.as_secs_f64();
        let bucket = SECONDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> WaitCounts {
        let counts = self.counts.each_ref();
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        WaitCounts {
            buckets: std::array::from_fn(|place| (SECONDS[place], counts[place])),
            total: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_immediately_available_connection_is_not_a_wait() {
        let waits = Waits::default();
        assert_eq!(waits.time(pin!(std::future::ready(7))).await, 7);
        waits.time(pin!(tokio::task::yield_now())).await;
        waits.count(Duration::from_millis(200));
        waits.count(Duration::from_mins(1));
        let WaitCounts { buckets, total } = waits.counts();
        let counts = buckets.map(|(_, count)| count);
        assert_eq!(counts[0], 1);
        assert_eq!(counts[4..], [1, 0, 1]);
        assert_eq!(counts.iter().sum::<u64>(), 4);
        assert!(total >= Duration::from_millis(60_200), "{total:?}");
    }
}
