//! What is counted of admission, for metrics, and told to the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::rejection::{Rejection, TokenError};
use broadsheet_articles::log_limit::LogLimit;

/// How often callers were not admitted, by the reason.
#[derive(Debug)]
pub(super) struct Rejections {
    counts: [AtomicU64; REASONS.len()],
    /// For each thing that can be wrong with a token.
    told: [LogLimit; TokenError::COUNT],
}

/// How often the log says that a token was rejected for one reason.
const TELL_EVERY: Duration = Duration::from_mins(1);

impl Default for Rejections {
    fn default() -> Self {
        Self {
            counts: Default::default(),
            told: std::array::from_fn(|_| LogLimit::new(TELL_EVERY)),
        }
    }
}

/// The reasons, as metrics name them.
const REASONS: [&str; 4] = [
    "token_needed",
    "invalid_token",
    "insufficient_scope",
    "keys_missing",
];

impl Rejections {
    pub(super) fn count(&self, rejection: Rejection) {
        let place = match rejection {
            Rejection::TokenNeeded(_) => 0,
            Rejection::InvalidToken(_) => 1,
            Rejection::InsufficientScope(_) => 2,
            Rejection::KeysMissing => 3,
        };
        self.counts[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the log that a token was rejected, unless that was told a moment ago.
    pub(super) fn log_token(&self, reason: TokenError) {
        let limit = self.told.get(reason as usize);
        if let Some(left_out) = limit.and_then(LogLimit::may_tell) {
            let reason = reason.to_string();
            tracing::warn!(reason, left_out, "a token was rejected");
        }
    }

    /// Each reason with its count.
    pub(super) fn counts(&self) -> [(&'static str, u64); REASONS.len()] {
        std::array::from_fn(|place| (REASONS[place], self.counts[place].load(Ordering::Relaxed)))
    }
}
