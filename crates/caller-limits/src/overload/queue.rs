//! The operations that wait for a permit, and which of them is next.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{ConcurrencySettings, Permit};

/// The number of operations that may wait in the overflow for each that may be executed.
pub(super) const OVERFLOW_FOR_EACH: usize = 20;

/// An overload is over when no operation had to wait for so long.
pub(super) const CALM: Duration = Duration::from_millis(50);

/// While operations are rejected, there is one place in the queue for so many that may be executed.
pub(super) const SHORT: usize = 3;

/// Waiting operations, by the order of arrival.
type Waiting = BTreeMap<u64, oneshot::Sender<Permit>>;

#[derive(Default)]
pub(super) struct Queue {
    /// Operations that have a permit.
    pub(super) running: usize,
    /// The number of the operation that came last.
    arrived: u64,
    /// The queue proper.
    in_order: Waiting,
    /// Operations that found the queue full.
    overflow: Waiting,
    /// When an operation last had to wait.
    waited: Option<Instant>,
    /// When an operation was last rejected.
    rejected: Option<Instant>,
    /// Whether a task will serve the overflow when the overload is over.
    is_watched: bool,
}

impl Queue {
    /// Adds an operation; returns its number, and where its permit will be sent. `None` if it must not wait in the
    /// overflow and the queue is full.
    pub(super) fn push(
        &mut self,
        wait: Wait,
        settings: &ConcurrencySettings,
    ) -> Option<(u64, oneshot::Receiver<Permit>)> {
        let now = Instant::now();
        self.waited = Some(now);
        let has_room = self.in_order.len() < self.room(settings, now);
        let waiting = match wait {
            Wait::IfThereIsRoom if !has_room => return None,
            Wait::Anywhere if !has_room => {
                if self.overflow.len() >= settings.most.saturating_mul(OVERFLOW_FOR_EACH) {
                    // The oldest has the smallest chance; the end of its channel rejects it.
                    self.overflow.pop_first();
                }
                &mut self.overflow
            }
            _ => &mut self.in_order,
        };
        let (sender, permit) = oneshot::channel();
        self.arrived += 1;
        waiting.insert(self.arrived, sender);
        Some((self.arrived, permit))
    }

    /// How many operations may be in the queue: few while some are rejected, because those that are served then wait for
    /// less.
    fn room(&self, settings: &ConcurrencySettings, now: Instant) -> usize {
        // Operations that arrived together are rejected together, so rejections may be as far apart as the wait is long.
        let recent = settings.wait.saturating_mul(2);
        match self.rejected {
            Some(at) if now.duration_since(at) < recent => {
                settings.in_order.min((settings.most / SHORT).max(1))
            }
            _ => settings.in_order,
        }
    }

    /// Notes that an operation is rejected.
    pub(super) fn reject(&mut self) {
        self.rejected = Some(Instant::now());
    }

    /// Removes and returns the next operation.
    pub(super) fn pop(
        &mut self,
        settings: &ConcurrencySettings,
    ) -> Option<oneshot::Sender<Permit>> {
        let Some((number, next)) = self.in_order.pop_first() else {
            return self.pop_overflow();
        };
        let is_newer = |(newest, _): (&u64, _)| *newest > number;
        if self.overflow.last_key_value().is_some_and(is_newer)
            && self.in_order.len() < self.room(settings, Instant::now())
        {
            self.in_order.extend(self.overflow.pop_last());
        }
        Some(next)
    }

    /// Removes and returns the newest operation of the overflow, once the overload is over.
    pub(super) fn pop_overflow(&mut self) -> Option<oneshot::Sender<Permit>> {
        if self.waited.is_some_and(|at| at.elapsed() < CALM) {
            return None;
        }
        self.overflow.pop_last().map(|(_, next)| next)
    }

    pub(super) fn waiting(&self) -> usize {
        self.in_order.len() + self.overflow.len()
    }

    /// Whether operations wait in the overflow and no task watches it yet: the caller has to start one.
    pub(super) fn needs_watch(&mut self) -> bool {
        !self.overflow.is_empty() && !std::mem::replace(&mut self.is_watched, true)
    }

    /// Whether the task has to go on.
    pub(super) fn stays_watched(&mut self) -> bool {
        self.is_watched = !self.overflow.is_empty();
        self.is_watched
    }

    pub(super) fn remove(&mut self, number: u64) {
        if self.in_order.remove(&number).is_none() {
            self.overflow.remove(&number);
        }
    }
}

/// Where an operation may wait.
#[derive(Clone, Copy)]
pub(super) enum Wait {
    /// In the queue, even if it is full.
    InOrder,
    /// In the queue, if it is not full.
    IfThereIsRoom,
    /// In the queue, or in the overflow if it is full.
    Anywhere,
}
