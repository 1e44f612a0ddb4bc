//! The total bytes of bodies in memory: of requests that are being read or executed, and of responses that are being
//! sent.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::address::Network;
use super::exceeded::Limit;
use super::rejection::Rejection;

/// A body up to this size counts only towards the total: an address can have only as many of them as it has
/// connections.
const SMALL: usize = 64 * 1024;

/// The limit on bytes in memory at the same time. Bytes count when they arrive, so that a body that never arrives takes
/// none. Clones share them.
#[derive(Clone)]
pub struct BodyBudget(Arc<Inner>);

struct Inner {
    max: usize,
    /// The limit on the larger bodies of one address.
    share: usize,
    limit: Limit,
    held: AtomicUsize,
    /// All bytes since the start.
    total: AtomicU64,
    /// The bytes of larger bodies, by address.
    large: Mutex<HashMap<Network, usize>>,
}

/// Bytes that count until this is dropped.
pub struct HeldBytes<'b> {
    budget: Cow<'b, BodyBudget>,
    bytes: usize,
    /// The address that owns them, for larger bodies.
    owner: Option<Network>,
}

impl BodyBudget {
    /// At most `max` bytes, 0 for no limit, of which the larger bodies of one address may take one `part`-th.
    pub(super) fn new(max: usize, part: usize, limit: Limit) -> Self {
        Self(Arc::new(Inner {
            max,
            share: max / part,
            limit,
            held: AtomicUsize::new(0),
            total: AtomicU64::new(0),
            large: Mutex::default(),
        }))
    }

    /// Counts the bytes of a body as they arrive.
    pub fn hold(&self) -> HeldBytes<'_> {
        HeldBytes {
            budget: Cow::Borrowed(self),
            bytes: 0,
            owner: None,
        }
    }

    /// The same bytes, counted until the last clone is dropped. Small bodies are not counted.
    ///
    /// # Errors
    /// There are too many bytes, or their owner exceeds its share.
    pub fn keep(
        &self,
        bytes: Bytes,
        count: usize,
        owner: impl FnOnce() -> Network,
    ) -> Result<Bytes, Rejection> {
        struct Kept(
            Bytes,
            #[expect(dead_code, reason = "it counts")] HeldBytes<'static>,
        );
        impl AsRef<[u8]> for Kept {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        if self.0.max == 0 || bytes.len() <= SMALL {
            return Ok(bytes);
        }
        let mut held = HeldBytes {
            budget: Cow::Owned(self.clone()),
            bytes: 0,
            owner: None,
        };
        held.add(count, owner)?;
        Ok(Bytes::from_owner(Kept(bytes, held)))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    pub(super) fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self) -> &Limit {
        &self.0.limit
    }

    fn large(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.0.large.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldBytes<'_> {
    /// Counts this number of further bytes. `owner` returns their owner, and is called at most once.
    ///
    /// # Errors
    /// There are too many bytes, or the owner exceeds its share.
    pub fn add(&mut self, bytes: usize, owner: impl FnOnce() -> Network) -> Result<(), Rejection> {
        let total = &self.budget.0.total;
        total.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.budget.0.max == 0 {
            return Ok(());
        }
        self.bytes += bytes;
        let all = self.budget.0.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let of_owner = self.count_for_owner(bytes, owner);
        let Inner {
            max, share, limit, ..
        } = &*self.budget.0;
        // A single body that is larger than a share is allowed.
        let is_over_share = of_owner > *share && of_owner > self.bytes;
        let is_over = all > *max && all > self.bytes;
        match (is_over || is_over_share) && limit.is_exceeded() {
            true => Err(Rejection::TooManyBytes),
            false => Ok(()),
        }
    }

    /// The bytes that the owner has in larger bodies, including these.
    fn count_for_owner(&mut self, bytes: usize, owner: impl FnOnce() -> Network) -> usize {
        if self.bytes <= SMALL {
            return 0;
        }
        let (owner, added) = match self.owner {
            Some(owner) => (owner, bytes),
            None => (*self.owner.insert(owner()), self.bytes),
        };
        let mut large = self.budget.large();
        let held = large.entry(owner).or_default();
        *held += added;
        *held
    }
}

impl Drop for HeldBytes<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        let Some(owner) = self.owner else {
            return;
        };
        let mut large = self.budget.large();
        if let Some(held) = large.get_mut(&owner) {
            *held -= self.bytes;
            if *held == 0 {
                large.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::LimitsMode;
    use super::*;

    const MAX: usize = 1_000_000;

    fn budget(max: usize, mode: LimitsMode) -> BodyBudget {
        BodyBudget::new(max, 4, Limit::new("bytes", mode))
    }

    fn network(number: u8) -> Network {
        Network::of([192, 0, 2, number].into())
    }

    /// Bodies of this size from one address, until one is rejected.
    fn bodies(budget: &BodyBudget, owner: u8, bytes: usize, parts: usize) -> Vec<HeldBytes<'_>> {
        let mut bodies = Vec::new();
        loop {
            let mut body = budget.hold();
            for _ in 0..parts {
                if body.add(bytes / parts, || network(owner)).is_err() {
                    return bodies;
                }
            }
            bodies.push(body);
        }
    }

    #[test]
    fn large_bodies_of_one_address_take_a_share() {
        let budget = budget(MAX, LimitsMode::Enforce);
        let own = bodies(&budget, 1, 100_000, 4);
        assert_eq!(own.len(), 2);
        let others: Vec<_> = (2..10)
            .flat_map(|owner| bodies(&budget, owner, 100_000, 1))
            .collect();
        assert_eq!(own.len() + others.len(), 10);
        assert_eq!(budget.bytes(), MAX);
        let mut small = budget.hold();
        assert_eq!(small.add(1, || network(20)), Err(Rejection::TooManyBytes));
        drop(small);
        drop(own);
        assert!(budget.hold().add(100_000, || network(1)).is_ok());
        drop(others);
        assert_eq!(budget.bytes(), 0);
        assert!(budget.large().is_empty());
    }

    #[test]
    fn bytes_count_until_the_last_clone_is_dropped() {
        let budget = budget(MAX, LimitsMode::Enforce);
        let keep = |bytes: usize| budget.keep(vec![b'a'; bytes].into(), bytes, || network(1));
        let first = keep(200_000).unwrap();
        let other = first.slice(10..20);
        assert_eq!(&*other, b"aaaaaaaaaa");
        drop(first);
        assert_eq!(keep(100_000), Err(Rejection::TooManyBytes));
        assert!(keep(SMALL).is_ok());
        assert_eq!(budget.bytes(), 200_000);
        drop(other);
        assert_eq!(budget.bytes(), 0);
        assert!(keep(200_000).is_ok());
    }

    #[test]
    fn small_bodies_count_toward_the_total() {
        let budget = budget(MAX, LimitsMode::Enforce);
        let own = bodies(&budget, 1, 50_000, 2);
        assert_eq!(own.len(), 20);
        assert_eq!(budget.limit().count(), 1);
        assert!(budget.large().is_empty());
    }

    #[test]
    fn without_a_limit_nothing_is_counted_and_measure_mode_rejects_nothing() {
        let none = budget(0, LimitsMode::Enforce);
        let mut body = none.hold();
        assert_eq!(body.add(usize::MAX, || network(1)), Ok(()));
        assert_eq!(none.bytes(), 0);
        let measured = budget(MAX, LimitsMode::Measure);
        let (mut first, mut second) = (measured.hold(), measured.hold());
        assert_eq!(first.add(MAX, || network(1)), Ok(()));
        assert_eq!(second.add(MAX, || network(1)), Ok(()));
        assert_eq!((measured.bytes(), measured.limit().count()), (2 * MAX, 1));
    }

    #[test]
    fn a_body_larger_than_its_share_is_accepted_alone() {
        for (bytes, other) in [(MAX / 2, network(1)), (2 * MAX, network(2))] {
            let budget = budget(MAX, LimitsMode::Enforce);
            let mut body = budget.hold();
            assert_eq!(body.add(bytes / 2, || network(1)), Ok(()));
            assert_eq!(body.add(bytes / 2, || network(1)), Ok(()));
            let mut second = budget.hold();
            assert_eq!(
                second.add(SMALL + 1, || other),
                Err(Rejection::TooManyBytes)
            );
        }
    }
}
