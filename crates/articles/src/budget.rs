//! The budget of a response: the bytes that are read and written for it, counted while it grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use crate::error::{Error, Result};

/// The bytes that one response may have. Clones share the count.
///
/// Texts are counted when they are read from the database, and again when they are written as JSON, each up to the
/// limit. So a response that is too large is detected before more than the limit is in memory in either form.
#[derive(Debug, Clone)]
pub struct ResponseBudget(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    max: usize,
    read: AtomicUsize,
    written: AtomicUsize,
    lock: Mutex<()>,
}

impl ResponseBudget {
    /// An unused budget of `max` bytes.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Counted {
            max,
            read: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            lock: Mutex::new(()),
        }))
    }

    /// Counts bytes of text that were read for the response.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn read(&self, bytes: usize) -> Result<()> {
        self.count(&self.0.read, bytes)
    }

    /// Counts bytes of the response itself.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn write(&self, bytes: usize) -> Result<()> {
        self.count(&self.0.written, bytes)
    }

    /// Fails if the response is already known to be too large, so that nothing more is read for it.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn check(&self) -> Result<()> {
        self.read(0)?;
        self.write(0)
    }

    /// The limit of the whole response.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// The number of bytes that may still be read.
    pub fn left_to_read(&self) -> usize {
        self.0.max.saturating_sub(load(&self.0.read))
    }

    /// The number of bytes that may still be written.
    pub fn left_to_write(&self) -> usize {
        self.0.max.saturating_sub(load(&self.0.written))
    }

    /// Resets the counts, for the next of several responses.
    pub fn reset(&self) {
        self.0.read.store(0, Ordering::Relaxed);
        self.0.written.store(0, Ordering::Relaxed);
    }

    /// Held by a field that reads as much as is left, until it has counted what it read. Otherwise two such fields
    /// would each read all of it.
    pub async fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.lock.lock().await
    }

    /// The error of a response that would have at least `value` bytes.
    pub fn exceeded(&self, value: usize) -> Error {
        Error::TooLarge {
            max: self.0.max,
            value,
        }
    }

    fn count(&self, counter: &AtomicUsize, bytes: usize) -> Result<()> {
        let value = counter.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match value <= self.0.max {
            true => Ok(()),
            false => Err(self.exceeded(value)),
        }
    }
}

fn load(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_may_reach_the_limit_but_not_exceed_it() {
        let budget = ResponseBudget::new(10);
        budget.read(10).unwrap();
        let clone = budget.clone();
        clone.write(4).unwrap();
        assert_eq!((budget.left_to_read(), budget.left_to_write()), (0, 6));
        budget.check().unwrap();
        let error = clone.write(7).unwrap_err();
        assert!(matches!(error, Error::TooLarge { max: 10, value: 11 }));
        assert_eq!(budget.left_to_write(), 0);
        assert!(budget.check().is_err());
        budget.reset();
        budget.check().unwrap();
    }
}
