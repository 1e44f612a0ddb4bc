//! The limit on a caller's cost per minute: the total complexity of its operations.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use foldhash::fast::FixedState;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::CallerKey;
use super::exceeded::Limit;
use super::rejection::Rejection;
use graphql_transports::RateLimit;

/// The approximate number of callers that are counted separately. A caller is forgotten once its bucket is full again.
const MAX_CALLERS: usize = 100_000;

/// The number of charges between two removals of callers with full buckets.
const CHARGES: u32 = 4_096;

/// A token bucket for each caller. Buckets start full, and fill within a minute.
pub(super) struct Costs<C: Clock = DefaultClock> {
    per_minute: NonZeroU32,
    buckets: Buckets<C>,
    limit: Limit,
    charges: AtomicU32,
    /// Whether there are so many callers that addresses share buckets.
    is_crowded: AtomicBool,
}

type Buckets<C> = RateLimiter<Bucket, HashMapStateStore<Bucket>, C, StateInformationMiddleware>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Bucket {
    Of(CallerKey),
    /// For all addresses with this hash.
    Shared(u16),
}

impl Costs {
    /// The limit per caller and minute; `None` for 0, which is no limit.
    pub(super) fn new(per_minute: u32, limit: Limit) -> Option<Self> {
        Self::with_clock(per_minute, limit, DefaultClock::default())
    }
}

impl<C: Clock> Costs<C> {
    fn with_clock(per_minute: u32, limit: Limit, clock: C) -> Option<Self> {
        let per_minute = NonZeroU32::new(per_minute)?;
        let quota = Quota::per_minute(per_minute);
        let buckets = RateLimiter::hashmap_with_clock(quota, clock).with_middleware();
        Some(Self {
            per_minute,
            buckets,
            limit,
            charges: AtomicU32::new(0),
            is_crowded: AtomicBool::new(false),
        })
    }

    /// The limit per caller and minute.
    pub(super) fn per_minute(&self) -> u32 {
        self.per_minute.get()
    }

    pub(super) fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Charges a caller, and returns what it has left.
    ///
    /// # Errors
    /// It has too little left, or the cost is above the limit of a whole minute. Nothing is charged then.
    pub(super) fn charge(&self, key: CallerKey, cost: u64) -> Result<RateLimit, Rejection> {
        self.forget();
        let per_minute = self.per_minute.get();
        let rate_limit = |remaining| RateLimit::new(per_minute, remaining);
        let bounded = u32::try_from(cost).unwrap_or(u32::MAX);
        let Some(charged) = NonZeroU32::new(bounded) else {
            return Ok(rate_limit(per_minute));
        };
        let (rejection, remaining) = match self.buckets.check_key_n(&self.bucket(key), charged) {
            Ok(Ok(state)) => return Ok(rate_limit(state.remaining_burst_capacity())),
            Ok(Err(until)) => {
                let wait = until.wait_time_from(self.buckets.clock().now());
                let remaining = bounded.saturating_sub(refilled(per_minute, wait));
                let rate_limit = rate_limit(remaining);
                let rejection = Rejection::Spent {
                    cost: bounded,
                    wait,
                    rate_limit,
                };
                (rejection, remaining)
            }
            Err(_) => (Rejection::TooCostly { cost, per_minute }, per_minute),
        };
        match self.limit.is_exceeded() {
            true => Err(rejection),
            false => Ok(rate_limit(remaining)),
        }
    }

    fn bucket(&self, key: CallerKey) -> Bucket {
        match key {
            CallerKey::Network(network) if self.is_crowded.load(Ordering::Relaxed) => {
                let hash = std::hash::BuildHasher::hash_one(&FixedState::default(), network);
                Bucket::Shared(u16::try_from(hash >> 48).unwrap_or_default())
            }
            key => Bucket::Of(key),
        }
    }

    /// Removes callers whose buckets are full again from time to time, so that the map stays small.
    fn forget(&self) {
        if self.charges.fetch_add(1, Ordering::Relaxed) % CHARGES != CHARGES - 1 {
            return;
        }
        self.buckets.retain_recent();
        let is_crowded = self.buckets.len() >= MAX_CALLERS;
        self.is_crowded.store(is_crowded, Ordering::Relaxed);
    }
}

/// How much of the bucket is refilled after this time, rounded up.
fn refilled(per_minute: u32, after: Duration) -> u32 {
    let nanoseconds = after.as_nanos() * u128::from(per_minute);
    let minute = Duration::from_mins(1).as_nanos();
    u32::try_from(nanoseconds.div_ceil(minute)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::super::Network;
    use super::super::settings::LimitsMode;
    use super::*;
    use broadsheet_admission::Identity;

    fn costs(per_minute: u32, mode: LimitsMode) -> (Costs<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let limit = Limit::new("cost", mode);
        let costs = Costs::with_clock(per_minute, limit, clock.clone());
        (costs.unwrap(), clock)
    }

    fn named(name: &str) -> CallerKey {
        CallerKey::Identity(Identity::Token(name.to_owned()))
    }

    fn network(number: u32) -> CallerKey {
        CallerKey::Network(Network::of(std::net::Ipv4Addr::from_bits(number).into()))
    }

    #[test]
    fn each_caller_has_its_own_budget_per_minute() {
        let (costs, clock) = costs(600, LimitsMode::Enforce);
        assert_eq!(costs.charge(named("a"), 400), Ok(RateLimit::new(600, 200)));
        let spent = costs.charge(named("a"), 300);
        let wait = Duration::from_secs(10);
        let rate_limit = RateLimit::new(600, 200);
        let cost = 300;
        assert_eq!(
            spent,
            Err(Rejection::Spent {
                cost,
                wait,
                rate_limit
            })
        );
        assert_eq!(costs.charge(named("b"), 600), Ok(RateLimit::new(600, 0)));
        // A rejected operation is not charged.
        assert_eq!(costs.charge(named("a"), 200), Ok(RateLimit::new(600, 0)));
        clock.advance(wait);
        assert_eq!(costs.charge(named("a"), 100), Ok(RateLimit::new(600, 0)));
        assert!(costs.charge(named("a"), 1).is_err());
        assert_eq!(costs.limit().count(), 2);
    }

    #[test]
    fn a_cost_over_the_limit_is_rejected_immediately() {
        let (costs, _) = costs(600, LimitsMode::Enforce);
        let rejection = |cost| Rejection::TooCostly {
            cost,
            per_minute: 600,
        };
        for cost in [601, u64::from(u32::MAX) + 1, u64::MAX] {
            assert_eq!(costs.charge(named("a"), cost), Err(rejection(cost)));
        }
        assert_eq!(costs.charge(named("a"), 600), Ok(RateLimit::new(600, 0)));
    }

    #[test]
    fn measure_mode_counts_and_rejects_nothing() {
        let (costs, _) = costs(600, LimitsMode::Measure);
        for _ in 0..3 {
            assert!(costs.charge(named("a"), 600).is_ok());
        }
        assert!(costs.charge(named("a"), 601).is_ok());
        assert_eq!(costs.limit().count(), 3);
    }

    #[test]
    fn inactive_callers_are_forgotten() {
        let (costs, clock) = costs(600, LimitsMode::Enforce);
        for number in 0..CHARGES {
            costs.charge(network(number), 1).unwrap();
        }
        clock.advance(Duration::from_mins(2));
        for _ in 0..CHARGES {
            costs.charge(named("a"), 0).unwrap();
        }
        assert_eq!(costs.buckets.len(), 0);
    }

    #[test]
    fn many_addresses_share_buckets_but_tokens_do_not() {
        let (costs, _) = costs(600, LimitsMode::Enforce);
        let crowd = u32::try_from(MAX_CALLERS).unwrap();
        for number in 0..4 * crowd {
            let _ = costs.charge(network(number), 1);
        }
        assert!(costs.buckets.len() <= MAX_CALLERS + usize::try_from(CHARGES).unwrap() + 65_536);
        assert_eq!(costs.charge(named("a"), 600), Ok(RateLimit::new(600, 0)));
    }
}
