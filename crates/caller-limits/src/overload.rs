//! Overload: how many operations are executed at the same time, and which of the waiting ones is next.
//!
//! Operations under execution wait for connections and processors in the order of arrival, so each of them is delayed
//! by their number. Operations beyond [`ConcurrencySettings::most`] wait here, where waiting costs nothing: up to
//! [`ConcurrencySettings::in_order`] of them in a queue, because more clients than permits are not yet an overload. An
//! operation that finds the queue full waits in the overflow, from which the newest is served first.
//!
//! Whenever an operation leaves the queue, the newest one of the overflow takes a place in it, if it arrived after the
//! one that left: then it will have waited about as long. An older one is late already. Those are served when the
//! overload is over, the newest first: while it lasts some operations wait in vain whatever the order; in the order of
//! arrival all of them would, because each would be served just when its client gives up.
//!
//! An operation that has waited for [`ConcurrencySettings::wait`] is rejected with a time to retry after, and so is the
//! oldest one of the overflow when that has no room for another. While operations are rejected, the queue has few
//! places, so that those that are served wait for less. When a client disconnects, its operation leaves the queue.
//!
//! Decision: `docs/decisions/0015-overload.md`.

mod queue;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::queue::{CALM, Queue, Wait};

/// How many operations of one kind are executed at the same time, and how long others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencySettings {
    /// The maximum number of operations under execution; 0 for no limit.
    pub most: usize,
    /// The maximum number of operations that wait in the order of arrival.
    pub in_order: usize,
    /// How long an operation waits for its permit.
    pub wait: Duration,
    /// Whether operations wait and are rejected, or are only counted.
    pub is_enforced: bool,
}

impl Default for ConcurrencySettings {
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
pub struct ConcurrencyLimit(Arc<Inner>);

struct Inner {
    settings: ConcurrencySettings,
    queue: Mutex<Queue>,
    shed: AtomicU64,
}

/// What an operation gets when it arrives.
enum Entry<'a> {
    Permit(Permit),
    Waits(Place<'a>, oneshot::Receiver<Permit>),
    NoRoom,
}

/// How many operations run, wait and were rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyStatus {
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
pub struct Permit(Option<Arc<Inner>>);

impl ConcurrencyLimit {
    /// All permits are free at first.
    pub fn new(settings: ConcurrencySettings) -> Self {
        Self(Arc::new(Inner {
            settings,
            queue: Mutex::default(),
            shed: AtomicU64::new(0),
        }))
    }

    /// Waits for the permit of an operation. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// No permit is free in time, or newer operations took its place.
    pub async fn acquire(&self) -> Result<Permit, Overloaded> {
        match self.0.enter(Wait::Anywhere) {
            Entry::Permit(permit) => Ok(permit),
            Entry::Waits(place, permit) => {
                self.wait(place, permit).await.ok_or_else(|| self.shed())
            }
            Entry::NoRoom => Err(self.shed()),
        }
    }

    /// The same for an operation that others may join while it waits: it never waits in the overflow, where it would
    /// hold them back. `None` if the queue is full: it may wait [alone](Self::acquire). If others have joined it
    /// already (`is_joined`), it has a place even in a full queue, because one permit serves all of them.
    ///
    /// # Errors
    /// No permit is free in time.
    pub async fn acquire_in_order(&self, is_joined: bool) -> Result<Option<Permit>, Overloaded> {
        let wait = match is_joined {
            true => Wait::InOrder,
            false => Wait::IfThereIsRoom,
        };
        match self.0.enter(wait) {
            Entry::Permit(permit) => Ok(Some(permit)),
            Entry::Waits(place, permit) => {
                let permit = self.wait(place, permit).await;
                permit.map(Some).ok_or_else(|| self.shed())
            }
            Entry::NoRoom => Ok(None),
        }
    }

    /// The same for a part of a response that has begun: it can wait longer, but cannot be rejected any more.
    pub async fn acquire_without_deadline(&self) -> Permit {
        loop {
            let end = Instant::now() + self.0.settings.wait;
            match self.0.enter(Wait::Anywhere) {
                Entry::Permit(permit) => return permit,
                Entry::Waits(place, permit) => {
                    if let Some(permit) = self.wait(place, permit).await {
                        return permit;
                    }
                }
                Entry::NoRoom => {}
            }
            // An operation that lost its place must not immediately take that of another, or they would displace each
            // other for ever.
            sleep_until(end).await;
        }
    }

    /// A dropped future leaves its place. A permit that was sent in the meantime is dropped with the channel.
    async fn wait(&self, _place: Place<'_>, permit: oneshot::Receiver<Permit>) -> Option<Permit> {
        timeout(self.0.settings.wait, permit).await.ok()?.ok()
    }

    /// Counts a rejection.
    fn shed(&self) -> Overloaded {
        self.0.queue().reject();
        self.0.shed.fetch_add(1, Ordering::Relaxed);
        Overloaded
    }

    /// For metrics.
    pub fn status(&self) -> ConcurrencyStatus {
        let queue = self.0.queue();
        ConcurrencyStatus {
            running: queue.running,
            waiting: queue.waiting(),
            shed: self.0.shed.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    fn enter(self: &Arc<Self>, wait: Wait) -> Entry<'_> {
        let settings = &self.settings;
        let mut queue = self.queue();
        let is_free = settings.most == 0 || queue.running < settings.most;
        if is_free || !settings.is_enforced {
            queue.running += 1;
            drop(queue);
            if !is_free {
                self.shed.fetch_add(1, Ordering::Relaxed);
            }
            return Entry::Permit(Permit(Some(Arc::clone(self))));
        }
        let Some((number, permit)) = queue.push(wait, settings) else {
            return Entry::NoRoom;
        };
        if queue.needs_watch() {
            tokio::spawn(Arc::clone(self).serve_overflow());
        }
        let inner = self;
        Entry::Waits(Place { inner, number }, permit)
    }

    /// Serves the overflow when the overload is over, even if no running operation ends then.
    async fn serve_overflow(self: Arc<Self>) {
        loop {
            sleep(CALM).await;
            let mut served = Vec::new();
            {
                let mut queue = self.queue();
                if !queue.stays_watched() {
                    return;
                }
                while queue.running < self.settings.most
                    && let Some(next) = queue.pop_overflow()
                {
                    queue.running += 1;
                    served.push(next);
                }
            }
            for next in served {
                // If the operation has just left, its permit is dropped, and so handed on.
                let _ = next.send(Permit(Some(Arc::clone(&self))));
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next operation; if none waits, the number of running operations decreases by one.
    fn next(&self) -> Option<oneshot::Sender<Permit>> {
        let mut queue = self.queue();
        let next = queue.pop(&self.settings);
        if next.is_none() {
            queue.running -= 1;
        }
        next
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else {
            return;
        };
        while let Some(next) = inner.next() {
            match next.send(Permit(Some(Arc::clone(&inner)))) {
                Ok(()) => return,
                // That operation has just left: the permit is still ours to hand on.
                Err(mut permit) => drop(permit.0.take()),
            }
        }
    }
}

/// A position in the queue, until it is dropped.
struct Place<'a> {
    inner: &'a Inner,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.queue().remove(self.number);
    }
}

#[cfg(test)]
mod tests;
