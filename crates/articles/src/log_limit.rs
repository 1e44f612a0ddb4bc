//! A limit on how often the same line is logged, because clients that can cause it could otherwise fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits how often one line is logged.
#[derive(Debug)]
pub struct LogLimit {
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at: Option<Instant>,
    /// The number of lines that were suppressed since then.
    suppressed: u64,
}

impl LogLimit {
    /// At most one line in each interval of this length.
    pub const fn new(every: Duration) -> Self {
        let state = State {
            at: None,
            suppressed: 0,
        };
        Self {
            every,
            state: Mutex::new(state),
        }
    }

    /// If the line may be logged now, the number of lines that were suppressed since the last one.
    pub fn allow_now(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.at.is_some_and(|at| at.elapsed() < self.every) {
            state.suppressed += 1;
            return None;
        }
        state.at = Some(Instant::now());
        Some(std::mem::take(&mut state.suppressed))
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
