//! What happens when a limit is exceeded: it is counted, logged at most once a minute, and the request is rejected
//! unless the mode is to measure only.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::settings::LimitsMode;
use broadsheet_articles::log_limit::LogLimit;

/// How often the log may report the same limit.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// A named limit.
pub(super) struct Limit {
    pub(super) name: &'static str,
    mode: LimitsMode,
    exceeded: AtomicU64,
    warnings: LogLimit,
}

impl Limit {
    pub(super) fn new(name: &'static str, mode: LimitsMode) -> Self {
        Self {
            name,
            mode,
            exceeded: AtomicU64::new(0),
            warnings: LogLimit::new(LOG_INTERVAL),
        }
    }

    /// Whether requests beyond the limit are rejected.
    pub(super) fn is_enforced(&self) -> bool {
        self.mode == LimitsMode::Enforce
    }

    /// Counts one excess, and returns whether to reject the request.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.fetch_add(1, Ordering::Relaxed);
        if self.warnings.allow_now().is_some() {
            let (limit, is_rejected) = (self.name, self.is_enforced());
            tracing::warn!(limit, is_rejected, "a limit on callers is exceeded");
        }
        self.is_enforced()
    }

    /// How often it was exceeded.
    pub(super) fn count(&self) -> u64 {
        self.exceeded.load(Ordering::Relaxed)
    }
}
