//! Counters of admission for metrics, and its lines in the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::rejection::{Rejection, TokenError};
use broadsheet_articles::log_limit::LogLimit;

/// The number of callers that were not admitted, by reason.
#[derive(Debug)]
pub(super) struct Rejections {
    counts: [AtomicU64; REASONS.len()],
    /// One for each error that a token can have.
    log_limits: [LogLimit; TokenError::COUNT],
}

/// How often the log reports a rejected token for the same reason.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

impl Default for Rejections {
    fn default() -> Self {
        Self {
            counts: Default::default(),
            log_limits: std::array::from_fn(|_| LogLimit::new(LOG_INTERVAL)),
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

    /// Logs that a token was rejected, unless the same reason was logged within the last minute.
    pub(super) fn log_token(&self, reason: TokenError) {
        let limit = self.log_limits.get(reason as usize);
        if let Some(left_out) = limit.and_then(LogLimit::allow_now) {
            let reason = reason.to_string();
            tracing::warn!(reason, left_out, "a token was rejected");
        }
    }

    /// Each reason with its count.
    pub(super) fn counts(&self) -> [(&'static str, u64); REASONS.len()] {
        std::array::from_fn(|place| (REASONS[place], self.counts[place].load(Ordering::Relaxed)))
    }
}
