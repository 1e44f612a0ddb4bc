//! What is counted of admission, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::rejection::Rejection;

/// How often callers were not admitted, by the reason.
#[derive(Debug, Default)]
pub(super) struct Rejections([AtomicU64; REASONS.len()]);

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
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Each reason with its count.
    pub(super) fn counts(&self) -> [(&'static str, u64); REASONS.len()] {
        std::array::from_fn(|place| (REASONS[place], self.0[place].load(Ordering::Relaxed)))
    }
}
