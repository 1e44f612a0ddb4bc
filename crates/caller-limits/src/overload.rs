//! Overload: how many operations are executed at the same time, and which of the waiting ones is next.
//!
//! Operations under execution wait for connections and processors in the order of arrival, so each of them is delayed
//! by their number. Operations beyond [`TurnSettings::most`] wait here, where waiting costs nothing: up to
//! [`TurnSettings::in_order`] of them in the order of arrival, because more clients than turns are not yet an overload. An
//! operation that finds this queue full waits aside. Those aside are served when the queue is empty, the newest first:
//! under overload some operations wait in vain whatever the order; in the order of arrival all of them would, because each
//! would be served just when its client gives up. An operation that has waited for [`TurnSettings::wait`] is rejected with
//! a time to retry after, and so is the oldest one aside when there is no room for another. When a client disconnects, its
//! operation leaves the queue.
//!
//! Decision: `docs/decisions/0015-overload.md`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

/// The number of operations that may wait aside for each that may be executed.
const ASIDE_FOR_EACH: usize = 20;

/// How many operations of one kind are executed at the same time, and how long others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnSettings {
    /// The maximum number of operations under execution; 0 for no limit.
    pub most: usize,
    /// The maximum number of operations that wait in the order of arrival.
    pub in_order: usize,
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
            in_order: 0,
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

/// Waiting operations, by the order of arrival.
type Waiting = BTreeMap<u64, oneshot::Sender<Turn>>;

#[derive(Default)]
struct Line {
    running: usize,
    arrived: u64,
    in_order: Waiting,
    aside: Waiting,
}

impl Line {
    /// Adds an operation to the queue, or aside, and returns its number.
    fn push(&mut self, turn: oneshot::Sender<Turn>, settings: &TurnSettings) -> u64 {
        self.arrived += 1;
        let waiting = if self.in_order.len() < settings.in_order {
            &mut self.in_order
        } else {
            if self.aside.len() >= settings.most.saturating_mul(ASIDE_FOR_EACH) {
                // The oldest has the smallest chance; the end of its channel rejects it.
                self.aside.pop_first();
            }
            &mut self.aside
        };
        waiting.insert(self.arrived, turn);
        self.arrived
    }

    /// Removes and returns the next operation.
    fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        let next = self.in_order.pop_first();
        next.or_else(|| self.aside.pop_last()).map(|(_, turn)| turn)
    }

    fn remove(&mut self, number: u64) {
        if self.in_order.remove(&number).is_none() {
            self.aside.remove(&number);
        }
    }
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
#[error("the server is overloaded at the moment; try again later")]
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
    /// The turn does not come in time, or newer operations took its place.
    pub async fn take(&self) -> Result<Turn, Overloaded> {
        let turn = self.take_in_time().await;
        turn.ok_or_else(|| {
            self.0.shed.fetch_add(1, Ordering::Relaxed);
            Overloaded
        })
    }

    /// The same for a part of a response that has begun: it can wait longer, but cannot be rejected any more.
    pub async fn take_without_deadline(&self) -> Turn {
        loop {
            let end = Instant::now() + self.0.settings.wait;
            if let Some(turn) = self.take_in_time().await {
                return turn;
            }
            // An operation that lost its place must not immediately take that of another, or they would displace each
            // other for ever.
            sleep_until(end).await;
        }
    }

    async fn take_in_time(&self) -> Option<Turn> {
        let inner = &self.0;
        let settings = &inner.settings;
        let (number, mut turn) = {
            let mut line = inner.line();
            let is_free = settings.most == 0 || line.running < settings.most;
            if is_free || !settings.is_enforced {
                line.running += 1;
                drop(line);
                if !is_free {
                    inner.shed.fetch_add(1, Ordering::Relaxed);
                }
                return Some(Turn(Some(Arc::clone(inner))));
            }
            let (sender, turn) = oneshot::channel();
            let number = line.push(sender, settings);
            (number, turn)
        };
        // This also runs where the future is dropped. A turn that was sent in the meantime is dropped with the channel.
        let _place = Place { inner, number };
        timeout(settings.wait, &mut turn).await.ok()?.ok()
    }

    /// For metrics.
    pub fn status(&self) -> TurnStatus {
        let line = self.0.line();
        TurnStatus {
            running: line.running,
            waiting: line.in_order.len() + line.aside.len(),
            shed: self.0.shed.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next operation; if none waits, the number of running operations decreases by one.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut line = self.line();
        let next = line.pop();
        if next.is_none() {
            line.running -= 1;
        }
        next
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
        self.inner.line().remove(self.number);
    }
}

#[cfg(test)]
mod tests;
