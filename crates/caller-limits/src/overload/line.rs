//! The operations that wait for a turn, and which of them is next.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Turn, TurnSettings};

/// The number of operations that may wait aside for each that may be executed.
pub(super) const ASIDE_FOR_EACH: usize = 20;

/// An overload is over when no operation had to wait for so long.
pub(super) const CALM: Duration = Duration::from_millis(50);

/// While operations are rejected, there is one place in the queue for so many that may be executed.
pub(super) const SHORT: usize = 3;

/// Waiting operations, by the order of arrival.
type Waiting = BTreeMap<u64, oneshot::Sender<Turn>>;

#[derive(Default)]
pub(super) struct Line {
    /// Operations that have a turn.
    pub(super) running: usize,
    /// The number of the operation that came last.
    arrived: u64,
    in_order: Waiting,
    aside: Waiting,
    /// When an operation last had to wait.
    waited: Option<Instant>,
    /// When an operation was last rejected.
    rejected: Option<Instant>,
    /// Whether a task will serve those aside when the overload is over.
    is_watched: bool,
}

impl Line {
    /// Adds an operation; returns its number, and where its turn will be sent. `None` if it must not wait aside and the
    /// queue is full.
    pub(super) fn push(
        &mut self,
        wait: Wait,
        settings: &TurnSettings,
    ) -> Option<(u64, oneshot::Receiver<Turn>)> {
        let now = Instant::now();
        self.waited = Some(now);
        let has_room = self.in_order.len() < self.room(settings, now);
        let waiting = match wait {
            Wait::IfThereIsRoom if !has_room => return None,
            Wait::Anywhere if !has_room => {
                if self.aside.len() >= settings.most.saturating_mul(ASIDE_FOR_EACH) {
                    // The oldest has the smallest chance; the end of its channel rejects it.
                    self.aside.pop_first();
                }
                &mut self.aside
            }
            _ => &mut self.in_order,
        };
        let (sender, turn) = oneshot::channel();
        self.arrived += 1;
        waiting.insert(self.arrived, sender);
        Some((self.arrived, turn))
    }

    /// How many operations may be in the queue: few while some are rejected, because those that are served then wait for
    /// less.
    fn room(&self, settings: &TurnSettings, now: Instant) -> usize {
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
    pub(super) fn pop(&mut self, settings: &TurnSettings) -> Option<oneshot::Sender<Turn>> {
        let Some((number, next)) = self.in_order.pop_first() else {
            return self.pop_aside();
        };
        let is_newer = |(newest, _): (&u64, _)| *newest > number;
        if self.aside.last_key_value().is_some_and(is_newer)
            && self.in_order.len() < self.room(settings, Instant::now())
        {
            self.in_order.extend(self.aside.pop_last());
        }
        Some(next)
    }

    /// Removes and returns the newest operation aside, once the overload is over.
    pub(super) fn pop_aside(&mut self) -> Option<oneshot::Sender<Turn>> {
        if self.waited.is_some_and(|at| at.elapsed() < CALM) {
            return None;
        }
        self.aside.pop_last().map(|(_, turn)| turn)
    }

    pub(super) fn waiting(&self) -> usize {
        self.in_order.len() + self.aside.len()
    }

    /// Whether operations wait aside and no task watches them yet: the caller has to start one.
    pub(super) fn needs_watch(&mut self) -> bool {
        !self.aside.is_empty() && !std::mem::replace(&mut self.is_watched, true)
    }

    /// Whether the task has to go on.
    pub(super) fn stays_watched(&mut self) -> bool {
        self.is_watched = !self.aside.is_empty();
        self.is_watched
    }

    pub(super) fn remove(&mut self, number: u64) {
        if self.in_order.remove(&number).is_none() {
            self.aside.remove(&number);
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
    /// In the queue, or aside.
    Anywhere,
}
