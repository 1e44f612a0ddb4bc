//! A limit on how often the log says the same: who can bring a line about could otherwise fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the log may say one thing.
#[derive(Debug)]
pub struct LogLimit {
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at: Option<Instant>,
    /// How often it was not, since then.
    left_out: u64,
}

impl LogLimit {
    /// At most once in `every`.
    pub const fn new(every: Duration) -> Self {
        let state = State {
            at: None,
            left_out: 0,
        };
        Self {
            every,
            state: Mutex::new(state),
        }
    }

    /// Whether it may be said now, and how often it was not since it was said last.
    pub fn allow_now(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.at.is_some_and(|at| at.elapsed() < self.every) {
            state.left_out += 1;
            return None;
        }
        state.at = Some(Instant::now());
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppressed_lines_are_counted() {
        let limit = LogLimit::new(Duration::from_hours(1));
        let state: Vec<_> = (0..3).map(|_| limit.allow_now()).collect();
        assert_eq!(state, [Some(0), None, None]);
        limit.state.lock().unwrap().at = None;
        assert_eq!(limit.allow_now(), Some(2));
    }
}
