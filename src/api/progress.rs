//! The progress of a subscription, which its resolver reports to the sender of its results.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::article::change::FeedCursor;
use crate::feed::Position;

/// Shared by the resolver of a subscription and the stream of its results.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Set once the stream of changes has begun.
    position: Option<Position>,
    /// The last change that was returned, until it is taken.
    cursor: Option<FeedCursor>,
    /// The last cursor that was taken.
    last_taken: Option<FeedCursor>,
}

impl Progress {
    /// The stream of changes has begun: errors from now on are execution errors.
    pub(super) fn begin(&self, position: Position) {
        self.state().position = Some(position);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.state().position.is_some()
    }

    pub(super) fn set_cursor(&self, cursor: FeedCursor) {
        self.state().cursor = Some(cursor);
    }

    /// The cursor of the last change that was returned, for transports that send it with the change.
    ///
    /// A subscription produces one result at a time, so right after a result this is its cursor.
    pub(super) fn take_cursor(&self) -> Option<FeedCursor> {
        let mut state = self.state();
        let cursor = state.cursor.take();
        state.last_taken = cursor.or(state.last_taken);
        cursor
    }

    /// The position with which a client that has received all results can resume, unless it knows that position
    /// already.
    pub(super) fn take_position(&self) -> Option<FeedCursor> {
        let mut state = self.state();
        let position = state.position.as_ref()?.get();
        (state.last_taken.replace(position) != Some(position)).then_some(position)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
