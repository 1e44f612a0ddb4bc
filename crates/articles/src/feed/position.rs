//! How far a subscriber has come, for a client that must be able to resume although nothing matches its filter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::article::change::{Epoch, FeedCursor};

/// The position up to which a subscriber has delivered every change that matches. Clones share it.
#[derive(Debug, Clone)]
pub struct Position(Arc<Mutex<FeedCursor>>);

impl Position {
    pub(super) fn new(cursor: FeedCursor) -> Self {
        Self(Arc::new(Mutex::new(cursor)))
    }

    /// A client that resumes here misses nothing, provided that it has what came out of the stream.
    pub fn get(&self) -> FeedCursor {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn advance(&self, cursor: FeedCursor) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
    }
}

/// The positions of all subscribers of a server, so that it is known how far the slowest of them is behind.
#[derive(Debug, Default)]
pub(super) struct Positions(Mutex<HashMap<usize, Position>>);

impl Positions {
    pub(super) fn add(&self, position: &Position) {
        self.all().insert(key(position), position.clone());
    }

    pub(super) fn remove(&self, position: &Position) {
        self.all().remove(&key(position));
    }

    /// Where the slowest subscriber in this epoch is; `None` where there is none.
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

/// What tells a position from others: where it is in memory, as long as it is one of these.
fn key(position: &Position) -> usize {
    Arc::as_ptr(&position.0).addr()
}
