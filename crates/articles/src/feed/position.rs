//! The positions of subscribers, for clients that must be able to resume even if no change matches their filter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::article::change::{Epoch, FeedCursor};

/// The position up to which a subscriber has delivered every matching change. Clones share it.
#[derive(Debug, Clone)]
pub struct Position(Arc<Mutex<FeedCursor>>);

impl Position {
    pub(super) fn new(cursor: FeedCursor) -> Self {
        Self(Arc::new(Mutex::new(cursor)))
    }

    /// A client that resumes here misses nothing, if it has received what the stream returned.
    pub fn get(&self) -> FeedCursor {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn advance(&self, cursor: FeedCursor) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
    }
}

/// The positions of a server's subscribers, to know how far the slowest is behind.
#[derive(Debug, Default)]
pub(super) struct Positions(Mutex<HashMap<usize, Position>>);

impl Positions {
    pub(super) fn add(&self, position: &Position) {
        self.all().insert(key(position), position.clone());
    }

    pub(super) fn remove(&self, position: &Position) {
        self.all().remove(&key(position));
    }

    /// The position of the slowest subscriber in this epoch; `None` without subscribers.
    pub(super) fn slowest(&self, epoch: Epoch) -> Option<FeedCursor> {
        let all = self.all();
        let cursors = all.values().map(Position::get);
        cursors
            .filter(|cursor| cursor.epoch == epoch)
            .min_by_key(|cursor| cursor.position)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<usize, Position>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Identifies a position by its address in memory, as long as it is registered.
fn key(position: &Position) -> usize {
    Arc::as_ptr(&position.0).addr()
}
