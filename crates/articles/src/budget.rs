//! How large one answer may become: what is read for it, and what is written of it, counted while it grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use crate::error::{Error, Result};

/// The bytes that one answer may have. Clones count together.
///
/// Texts are counted when they are read from the database, and again when they are written as JSON, each time up to the
/// limit. So an answer that is too large is found out before more than the limit of it is in memory in either form.
#[derive(Debug, Clone)]
pub struct ResponseBudget(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    max: usize,
    read: AtomicUsize,
    written: AtomicUsize,
    turn: Mutex<()>,
}

impl ResponseBudget {
    /// A budget of `max` bytes, of which none is used.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Counted {
            max,
            read: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            turn: Mutex::new(()),
        }))
    }

    /// Counts bytes of text that were read for the answer.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn read(&self, bytes: usize) -> Result<()> {
        self.count(&self.0.read, bytes)
    }

    /// Counts bytes of the answer itself.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn write(&self, bytes: usize) -> Result<()> {
        self.count(&self.0.written, bytes)
    }

    /// Fails where the answer is known to be too large already, so that nothing more is read for it.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn check(&self) -> Result<()> {
        self.read(0)?;
        self.write(0)
    }

    /// How many bytes the whole answer may have.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// How many more bytes may be read.
    pub fn left_to_read(&self) -> usize {
        self.0.max.saturating_sub(load(&self.0.read))
    }

    /// How many more bytes may be written.
    pub fn left_to_write(&self) -> usize {
        self.0.max.saturating_sub(load(&self.0.written))
    }

    /// Begins again, for the next of many answers.
    pub fn reset(&self) {
        self.0.read.store(0, Ordering::Relaxed);
        self.0.written.store(0, Ordering::Relaxed);
    }

    /// Waits for the other fields of the answer that take turns: those which read as much as is left.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    /// The error of an answer that would have `value` bytes or more.
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
    fn an_answer_may_have_as_many_bytes_as_the_limit_and_none_more() {
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
