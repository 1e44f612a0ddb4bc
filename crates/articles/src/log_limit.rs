//! A limit on how often the log says the same: who can bring a line about could otherwise fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the log may say one thing.
#[derive(Debug)]
pub struct LogLimit {
    every: Duration,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    at: Option<Instant>,
    /// How often it was not, since then.
    left_out: u64,
}

impl LogLimit {
    /// At most once in `every`.
    pub const fn new(every: Duration) -> Self {
        let told = Told {
            at: None,
            left_out: 0,
        };
        Self {
            every,
            told: Mutex::new(told),
        }
    }

    /// Whether it may be said now, and how often it was not since it was said last.
    pub fn may_tell(&self) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| at.elapsed() < self.every) {
            told.left_out += 1;
            return None;
        }
        told.at = Some(Instant::now());
        Some(std::mem::take(&mut told.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_often_is_counted() {
        let limit = LogLimit::new(Duration::from_hours(1));
        let told: Vec<_> = (0..3).map(|_| limit.may_tell()).collect();
        assert_eq!(told, [Some(0), None, None]);
        limit.told.lock().unwrap().at = None;
        assert_eq!(limit.may_tell(), Some(2));
    }
}
