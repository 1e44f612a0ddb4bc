//! The progress of a subscription, which its resolver reports to the sender of its results.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::article::change::FeedCursor;
use crate::feed::Position;

/// Shared by the resolver of a subscription and the stream of its results.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Reached>>);

#[derive(Default)]
struct Reached {
    /// Set once the stream of changes has begun.
    position: Option<Position>,
    /// The last change that was returned, until it is taken.
    shown: Option<FeedCursor>,
    /// The last cursor that was taken.
    taken: Option<FeedCursor>,
}

impl Progress {
    /// The stream of changes has begun: errors from now on are execution errors.
    pub(super) fn begin(&self, position: Position) {
        self.reached().position = Some(position);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.reached().position.is_some()
    }

    pub(super) fn show(&self, cursor: FeedCursor) {
        self.reached().shown = Some(cursor);
    }

    /// The cursor of the last change that was returned, for transports that send it with the change.
    ///
    /// A subscription produces one result at a time, so right after a result this is its cursor.
    pub(super) fn take_shown(&self) -> Option<FeedCursor> {
        let mut reached = self.reached();
        let shown = reached.shown.take();
        reached.taken = shown.or(reached.taken);
        shown
    }

    /// The position with which a client that has received all results can resume, unless it knows that position
    /// already.
    pub(super) fn take_position(&self) -> Option<FeedCursor> {
        let mut reached = self.reached();
        let position = reached.position.as_ref()?.get();
        (reached.taken.replace(position) != Some(position)).then_some(position)
    }

    fn reached(&self) -> MutexGuard<'_, Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
