//! Overload: how many operations are executed at the same time, and which of the waiting ones is next.
//!
//! Operations under execution wait for connections and processors in the order of arrival, so each of them is delayed
//! by their number. Operations beyond [`TurnSettings::most`] wait here, where waiting costs nothing, and the newest is
//! next. Under overload some operations wait in vain whatever the order; in the order of arrival all of them would,
//! because each would be served just when its client gives up. An operation that has waited for [`TurnSettings::wait`],
//! or that finds the queue full, is rejected with a time to retry after. When a client disconnects, its operation
//! leaves the queue.
//!
//! Decision: `docs/decisions/0015-overload.md`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// The number of operations that may wait for each that may be executed.
const WAITING_FOR_EACH: usize = 20;

/// How many operations of one kind are executed at the same time, and how long others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnSettings {
    /// The maximum number of operations under execution; 0 for no limit.
    pub most: usize,
    /// How long an operation waits for its turn.
    pub wait: Duration,
    /// Whether operations wait and are rejected, or are only counted.
    pub is_enforced: bool,
}

impl Default for TurnSettings {
    /// Without a limit.
    fn default() -> Self {
        Self {
            most: 0,
            wait: Duration::from_secs(1),
            is_enforced: true,
        }
    }
}

/// Limits the concurrent operations of one kind. Clones share the limit.
#[derive(Clone)]
pub struct Turns(Arc<Inner>);

struct Inner {
    settings: TurnSettings,
    line: Mutex<Line>,
    shed: AtomicU64,
}

#[derive(Default)]
struct Line {
    running: usize,
    arrived: u64,
    /// The waiting operations, in order of arrival.
    waiting: BTreeMap<u64, oneshot::Sender<Turn>>,
}

/// How many operations run, wait and were rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnStatus {
    /// Operations that are being executed.
    pub running: usize,
    /// Operations that wait.
    pub waiting: usize,
    /// How many were rejected since the start, or would have been if the limit were enforced.
    pub shed: u64,
}

/// The server is overloaded; nothing was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has more to do than it can at the moment; try again later")]
pub struct Overloaded;

/// The right to be executed, until it is dropped.
pub struct Turn(Option<Arc<Inner>>);

impl Turns {
    /// All turns are free at first.
    pub fn new(settings: TurnSettings) -> Self {
        Self(Arc::new(Inner {
            settings,
            line: Mutex::default(),
            shed: AtomicU64::new(0),
        }))
    }

    /// Waits for the turn of an operation. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// The turn does not come in time, or the queue is full.
    pub async fn take(&self) -> Result<Turn, Overloaded> {
        let inner = &self.0;
        let TurnSettings {
            most,
            wait,
            is_enforced,
        } = inner.settings;
        let (number, mut turn) = {
            let mut line = inner.line();
            let is_free = most == 0 || line.running < most;
            if is_free || !is_enforced {
                line.running += 1;
                drop(line);
                if !is_free {
                    inner.shed.fetch_add(1, Ordering::Relaxed);
                }
                return Ok(Turn(Some(Arc::clone(inner))));
            }
            if line.waiting.len() >= most.saturating_mul(WAITING_FOR_EACH) {
                drop(line);
                return Err(inner.shed());
            }
            let (sender, turn) = oneshot::channel();
            line.arrived += 1;
            let number = line.arrived;
            line.waiting.insert(number, sender);
            (number, turn)
        };
        // This also runs where the future is dropped. A turn that was sent in the meantime is dropped with the channel.
        let _place = Place { inner, number };
        match timeout(wait, &mut turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(inner.shed()),
        }
    }

    /// For metrics.
    pub fn status(&self) -> TurnStatus {
        let line = self.0.line();
        TurnStatus {
            running: line.running,
            waiting: line.waiting.len(),
            shed: self.0.shed.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shed(&self) -> Overloaded {
        self.shed.fetch_add(1, Ordering::Relaxed);
        Overloaded
    }

    /// The next operation; if none waits, the number of running operations decreases by one.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut line = self.line();
        let next = line.waiting.pop_last();
        if next.is_none() {
            line.running -= 1;
        }
        next.map(|(_, sender)| sender)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else {
            return;
        };
        while let Some(next) = inner.next() {
            match next.send(Turn(Some(Arc::clone(&inner)))) {
                Ok(()) => return,
                // That operation has just left: the turn is still ours to hand on.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }
}

/// A position in the queue, until it is dropped.
struct Place<'t> {
    inner: &'t Inner,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.line().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    fn turns(most: usize) -> Turns {
        Turns::new(TurnSettings {
            most,
            ..TurnSettings::default()
        })
    }

    fn status(running: usize, waiting: usize, shed: u64) -> TurnStatus {
        TurnStatus {
            running,
            waiting,
            shed,
        }
    }

    #[tokio::test]
    async fn one_more_waits_and_the_newest_is_next() {
        let turns = turns(2);
        let first = turns.take().await.unwrap();
        let _second = turns.take().await.unwrap();
        let mut older = pin!(turns.take());
        let mut newer = pin!(turns.take());
        assert!((&mut older).now_or_never().is_none());
        assert!((&mut newer).now_or_never().is_none());
        assert_eq!(turns.status(), status(2, 2, 0));
        drop(first);
        assert!((&mut older).now_or_never().is_none());
        let newest = newer.await.unwrap();
        assert_eq!(turns.status(), status(2, 1, 0));
        drop(newest);
        drop(older.await.unwrap());
        assert_eq!(turns.status(), status(1, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_long_enough_is_told_so() {
        let turns = turns(1);
        let _only = turns.take().await.unwrap();
        let began = tokio::time::Instant::now();
        assert!(turns.take().await.is_err());
        assert_eq!(began.elapsed().as_secs(), 1);
        assert_eq!(turns.status(), status(1, 0, 1));
    }

    #[tokio::test]
    async fn who_finds_too_many_waiting_is_told_so_at_once() {
        let turns = turns(1);
        let _only = turns.take().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING_FOR_EACH)
            .map(|_| Box::pin(turns.take()))
            .collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        assert!(matches!(turns.take().now_or_never(), Some(Err(Overloaded))));
        assert_eq!(turns.status(), status(1, WAITING_FOR_EACH, 1));
    }

    #[tokio::test]
    async fn who_has_gone_waits_no_more_and_leaves_its_turn_to_others() {
        let turns = turns(1);
        let only = turns.take().await.unwrap();
        let mut older = Box::pin(turns.take());
        let mut newer = Box::pin(turns.take());
        assert!((&mut older).now_or_never().is_none());
        assert!((&mut newer).now_or_never().is_none());
        // It was given its turn, and has not been polled since.
        drop(only);
        drop(newer);
        drop(older.await.unwrap());
        let held = turns.take().await.unwrap();
        let mut gone = Box::pin(turns.take());
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        assert_eq!(turns.status(), status(1, 0, 0));
        drop(held);
        assert_eq!(turns.status(), status(0, 0, 0));
    }

    #[tokio::test]
    async fn measuring_counts_and_lets_all_through() {
        let turns = Turns::new(TurnSettings {
            is_enforced: false,
            ..turns(1).0.settings
        });
        let _held = [turns.take().await.unwrap(), turns.take().await.unwrap()];
        assert_eq!(turns.status(), status(2, 0, 1));
    }
}
