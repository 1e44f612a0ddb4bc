//! How far a subscriber has come, for a client that must be able to resume although nothing matches its filter.

use std::sync::{Arc, Mutex, PoisonError};

use crate::article::change::FeedCursor;

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
