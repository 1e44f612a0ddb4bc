//! Overload: how many operations are executed at the same time, and which of the waiting ones is next.
//!
//! Operations under execution wait for connections and processors in the order of arrival, so each of them is delayed
//! by their number. Operations beyond [`TurnSettings::most`] wait here, where waiting costs nothing: up to
//! [`TurnSettings::in_order`] of them in a queue, because more clients than turns are not yet an overload. An operation
//! that finds the queue full waits aside.
//!
//! Whenever an operation leaves the queue, the newest one aside takes a place in it, if it arrived after the one that
//! left: then it will have waited about as long. An older one is late already. Those are served when the overload is
//! over, the newest first: while it lasts some operations wait in vain whatever the order; in the order of arrival all
//! of them would, because each would be served just when its client gives up.
//!
//! An operation that has waited for [`TurnSettings::wait`] is rejected with a time to retry after, and so is the oldest
//! one aside when there is no room for another. While operations are rejected, the queue has few places, so that those
//! that are served wait for less. When a client disconnects, its operation leaves the queue.
//!
//! Decision: `docs/decisions/0015-overload.md`.

mod line;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::line::{CALM, Line, Wait};

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

/// What an operation gets when it arrives.
enum Entry<'t> {
    Turn(Turn),
    Waits(Place<'t>, oneshot::Receiver<Turn>),
    NoRoom,
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
        match self.0.enter(Wait::Anywhere) {
            Entry::Turn(turn) => Ok(turn),
            Entry::Waits(place, turn) => self.wait(place, turn).await.ok_or_else(|| self.shed()),
            Entry::NoRoom => Err(self.shed()),
        }
    }

    /// The same for an operation that others may join while it waits: it never waits aside, where it would hold them
    /// back. `None` if the queue is full: it may wait [alone](Self::take). If others have joined it already
    /// (`is_joined`), it has a place even in a full queue, because one turn serves all of them.
    ///
    /// # Errors
    /// The turn does not come in time.
    pub async fn take_in_order(&self, is_joined: bool) -> Result<Option<Turn>, Overloaded> {
        let wait = match is_joined {
            true => Wait::InOrder,
            false => Wait::IfThereIsRoom,
        };
        match self.0.enter(wait) {
            Entry::Turn(turn) => Ok(Some(turn)),
            Entry::Waits(place, turn) => {
                let turn = self.wait(place, turn).await;
                turn.map(Some).ok_or_else(|| self.shed())
            }
            Entry::NoRoom => Ok(None),
        }
    }

    /// The same for a part of a response that has begun: it can wait longer, but cannot be rejected any more.
    pub async fn take_without_deadline(&self) -> Turn {
        loop {
            let end = Instant::now() + self.0.settings.wait;
            match self.0.enter(Wait::Anywhere) {
                Entry::Turn(turn) => return turn,
                Entry::Waits(place, turn) => {
                    if let Some(turn) = self.wait(place, turn).await {
                        return turn;
                    }
                }
                Entry::NoRoom => {}
            }
            // An operation that lost its place must not immediately take that of another, or they would displace each
            // other for ever.
            sleep_until(end).await;
        }
    }

    /// A dropped future leaves its place. A turn that was sent in the meantime is dropped with the channel.
    async fn wait(&self, _place: Place<'_>, turn: oneshot::Receiver<Turn>) -> Option<Turn> {
        timeout(self.0.settings.wait, turn).await.ok()?.ok()
    }

    /// Counts a rejection.
    fn shed(&self) -> Overloaded {
        self.0.line().reject();
        self.0.shed.fetch_add(1, Ordering::Relaxed);
        Overloaded
    }

    /// For metrics.
    pub fn status(&self) -> TurnStatus {
        let line = self.0.line();
        TurnStatus {
            running: line.running,
            waiting: line.waiting(),
            shed: self.0.shed.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    fn enter(self: &Arc<Self>, wait: Wait) -> Entry<'_> {
        let settings = &self.settings;
        let mut line = self.line();
        let is_free = settings.most == 0 || line.running < settings.most;
        if is_free || !settings.is_enforced {
            line.running += 1;
            drop(line);
            if !is_free {
                self.shed.fetch_add(1, Ordering::Relaxed);
            }
            return Entry::Turn(Turn(Some(Arc::clone(self))));
        }
        let Some((number, turn)) = line.push(wait, settings) else {
            return Entry::NoRoom;
        };
        if line.needs_watch() {
            tokio::spawn(Arc::clone(self).serve_aside());
        }
        let inner = self;
        Entry::Waits(Place { inner, number }, turn)
    }

    /// Serves those aside when the overload is over, even if no running operation ends then.
    async fn serve_aside(self: Arc<Self>) {
        loop {
            sleep(CALM).await;
            let mut turns = Vec::new();
            {
                let mut line = self.line();
                if !line.stays_watched() {
                    return;
                }
                while line.running < self.settings.most
                    && let Some(next) = line.pop_aside()
                {
                    line.running += 1;
                    turns.push(next);
                }
            }
            for next in turns {
                // If the operation has just left, its turn is dropped, and so handed on.
                let _ = next.send(Turn(Some(Arc::clone(&self))));
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next operation; if none waits, the number of running operations decreases by one.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut line = self.line();
        let next = line.pop(&self.settings);
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
