//! When a key set is fetched: [`Schedule`], which only computes times.

use std::time::Duration;

use tokio::time::Instant;

/// How long a set is fresh where its issuer does not say, and the bounds of what the issuer may say.
const FRESH: Duration = Duration::from_mins(10);
const MIN_FRESH: Duration = Duration::from_mins(1);
const MAX_FRESH: Duration = Duration::from_hours(1);
/// How long a set is used while no newer one can be fetched.
const MAX_STALE: Duration = Duration::from_hours(24);
/// The first pause after a failure, which then doubles, and the maximum pause.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_mins(1);

/// When a key set is fetched, and until when the last set is used.
///
/// It uses monotonic time, so that setting the machine's clock does not prolong the use of a key.
pub(super) struct Schedule {
    due: Instant,
    dead_at: Option<Instant>,
    failures: u32,
}

impl Schedule {
    /// The first fetch is due immediately.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            dead_at: None,
            failures: 0,
        }
    }

    /// When to check it again: to fetch, or because the last set [is dead](Self::is_dead).
    pub(super) fn due(&self) -> Instant {
        self.dead_at
            .map_or(self.due, |dead_at| dead_at.min(self.due))
    }

    /// Whether the last set has been stale for too long.
    pub(super) fn is_dead(&self, now: Instant) -> bool {
        self.dead_at.is_some_and(|dead_at| now >= dead_at)
    }

    /// A set has arrived; `max_age` is how long its issuer says it is fresh.
    pub(super) fn succeed(&mut self, now: Instant, max_age: Option<Duration>) {
        let fresh = max_age.map_or(FRESH, |age| age.clamp(MIN_FRESH, MAX_FRESH));
        *self = Self {
            due: now + fresh,
            dead_at: Some(now + MAX_STALE),
            failures: 0,
        };
    }

    /// The fetch has failed.
    pub(super) fn fail(&mut self, now: Instant) {
        let pause = RETRY.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        self.due = now + pause.min(MAX_RETRY);
        // The set has been withdrawn.
        if self.is_dead(now) {
            self.dead_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(schedule: &Schedule, now: Instant) -> Duration {
        schedule.due() - now
    }

    #[test]
    fn freshness_follows_the_issuer_within_bounds() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert_eq!(after(&schedule, now), Duration::ZERO);
        for (max_age, fresh) in [
            (None, 600),
            (Some(0), 60),
            (Some(59), 60),
            (Some(61), 61),
            (Some(3_599), 3_599),
            (Some(86_400), 3_600),
        ] {
            schedule.succeed(now, max_age.map(Duration::from_secs));
            assert_eq!(
                after(&schedule, now),
                Duration::from_secs(fresh),
                "{max_age:?}"
            );
        }
    }

    #[test]
    fn failures_are_retried_with_backoff_up_to_a_minute() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            schedule.fail(now);
            pauses.push(after(&schedule, now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        for _ in 0..100 {
            schedule.fail(now);
        }
        assert_eq!(after(&schedule, now).as_secs(), 60);
        schedule.succeed(now, None);
        schedule.fail(now);
        assert_eq!(after(&schedule, now).as_secs(), 1);
    }

    #[test]
    fn a_set_expires_after_a_day_without_a_newer_one() {
        let had = Instant::now();
        let mut schedule = Schedule::new(had);
        schedule.succeed(had, None);
        let almost = had + MAX_STALE - Duration::from_millis(1);
        for _ in 0..10 {
            schedule.fail(almost);
        }
        assert!(!schedule.is_dead(almost));
        // It is checked when the set becomes dead, although the next fetch is due later.
        assert_eq!(schedule.due(), had + MAX_STALE);
        assert!(schedule.is_dead(had + MAX_STALE));
        schedule.fail(had + MAX_STALE);
        assert!(!schedule.is_dead(had + MAX_STALE));
        assert_eq!(schedule.due(), had + MAX_STALE + MAX_RETRY);
    }
}
