//! A limit on the number of things in use at the same time, in total and per key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::exceeded::Limit;

/// Counts what is in use. A key is stored only while it has any, so the map stays as small as the total.
pub(super) struct Slots<K> {
    for_all: (usize, Limit),
    for_one: (usize, Limit),
    in_use: Mutex<InUse<K>>,
    freed: Notify,
}

struct InUse<K> {
    all: usize,
    by_key: HashMap<K, usize>,
}

/// Which of the limits is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    ForAll,
    ForOne,
}

/// One counted thing, until it is dropped.
pub struct Slot<K: Clone + Eq + Hash> {
    slots: Arc<Slots<K>>,
    key: Option<K>,
}

impl<K: Clone + Eq + Hash> Slots<K> {
    /// The limits in total and per key; 0 for no limit.
    pub(super) fn new(for_all: (usize, Limit), for_one: (usize, Limit)) -> Self {
        Self {
            for_all,
            for_one,
            in_use: Mutex::new(InUse {
                all: 0,
                by_key: HashMap::new(),
            }),
            freed: Notify::new(),
        }
    }

    fn in_use(&self) -> MutexGuard<'_, InUse<K>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn max_for_one(&self) -> usize {
        self.for_one.0
    }

    pub(super) fn count(&self) -> usize {
        self.in_use().all
    }

    pub(super) fn limits(&self) -> [&Limit; 2] {
        [&self.for_all.1, &self.for_one.1]
    }

    fn has_room(&self, in_use: &InUse<K>) -> bool {
        let (max, limit) = &self.for_all;
        *max == 0 || in_use.all < *max || !limit.is_exceeded()
    }

    fn has_room_for(&self, in_use: &InUse<K>, key: &K) -> bool {
        let (max, limit) = &self.for_one;
        let count = || in_use.by_key.get(key).copied().unwrap_or_default();
        *max == 0 || count() < *max || !limit.is_exceeded()
    }

    /// Completes when there is room for one more; immediately where the limit is only measured. Only one task may wait.
    pub(super) async fn room(&self) {
        if self.has_room(&self.in_use()) {
            return;
        }
        while self.count() >= self.for_all.0 {
            self.freed.notified().await;
        }
    }

    /// Takes a slot for this key, if both limits allow it.
    pub(super) fn take(self: &Arc<Self>, key: K) -> Result<Slot<K>, Full> {
        let mut in_use = self.in_use();
        if !self.has_room(&in_use) {
            return Err(Full::ForAll);
        }
        if !self.has_room_for(&in_use, &key) {
            return Err(Full::ForOne);
        }
        in_use.add(Some(&key));
        Ok(self.slot(Some(key)))
    }

    /// Takes a slot after [`room`](Self::room) has completed, if the limit of this key allows it. Without a key it
    /// counts only towards the total.
    pub(super) fn take_after_room(self: &Arc<Self>, key: Option<K>) -> Option<Slot<K>> {
        let mut in_use = self.in_use();
        if let Some(key) = &key
            && !self.has_room_for(&in_use, key)
        {
            return None;
        }
        in_use.add(key.as_ref());
        Some(self.slot(key))
    }

    fn slot(self: &Arc<Self>, key: Option<K>) -> Slot<K> {
        let slots = Arc::clone(self);
        Slot { slots, key }
    }
}

impl<K: Clone + Eq + Hash> InUse<K> {
    fn add(&mut self, key: Option<&K>) {
        self.all += 1;
        if let Some(key) = key {
            *self.by_key.entry(key.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, key: Option<&K>) {
        self.all -= 1;
        if let Some(key) = key
            && let Some(count) = self.by_key.get_mut(key)
        {
            *count -= 1;
            if *count == 0 {
                self.by_key.remove(key);
            }
        }
    }
}

impl<K: Clone + Eq + Hash> Slot<K> {
    /// Counts the slot for another key, if its limit allows that; otherwise nothing changes.
    pub(super) fn hand_over(&mut self, key: K) -> Result<(), Full> {
        if self.key.as_ref() == Some(&key) {
            return Ok(());
        }
        let mut in_use = self.slots.in_use();
        if !self.slots.has_room_for(&in_use, &key) {
            return Err(Full::ForOne);
        }
        in_use.remove(self.key.as_ref());
        in_use.add(Some(&key));
        drop(in_use);
        self.key = Some(key);
        Ok(())
    }
}

impl<K: Clone + Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        self.slots.in_use().remove(self.key.as_ref());
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::settings::LimitsMode;
    use super::*;

    fn slots(for_all: usize, for_one: usize, mode: LimitsMode) -> Arc<Slots<&'static str>> {
        let limit = |name| Limit::new(name, mode);
        Arc::new(Slots::new((for_all, limit("all")), (for_one, limit("one"))))
    }

    fn exceeded(slots: &Slots<&'static str>) -> [u64; 2] {
        slots.limits().map(Limit::count)
    }

    #[test]
    fn the_limit_per_key_is_enforced_until_a_slot_is_dropped() {
        let slots = slots(0, 2, LimitsMode::Enforce);
        let first = slots.take("a").ok();
        let _second = slots.take("a").ok().unwrap();
        assert_eq!(slots.take("a").err(), Some(Full::ForOne));
        let _other = slots.take("b").ok().unwrap();
        assert_eq!((slots.count(), exceeded(&slots)), (3, [0, 1]));
        drop(first);
        assert!(slots.take("a").is_ok());
    }

    #[test]
    fn the_total_limit_is_enforced_for_every_key() {
        let slots = slots(2, 0, LimitsMode::Enforce);
        let first = slots.take("a").ok();
        let _second = slots.take("b").ok().unwrap();
        assert_eq!(slots.take("c").err(), Some(Full::ForAll));
        drop(first);
        assert!(slots.take("c").is_ok());
        assert_eq!(exceeded(&slots), [1, 0]);
    }

    #[test]
    fn measure_mode_counts_and_rejects_nothing() {
        let slots = slots(1, 1, LimitsMode::Measure);
        let in_use: Vec<_> = (0..3).map(|_| slots.take("a").ok().unwrap()).collect();
        assert_eq!((slots.count(), exceeded(&slots)), (3, [2, 2]));
        assert!(slots.room().now_or_never().is_some());
        drop(in_use);
        assert_eq!(slots.count(), 0);
        assert!(slots.in_use().by_key.is_empty());
    }

    #[test]
    fn a_slot_is_handed_over_if_the_new_key_has_room() {
        let slots = slots(0, 1, LimitsMode::Enforce);
        let mut first = slots.take("a").ok().unwrap();
        let second = slots.take("b").ok().unwrap();
        assert_eq!(first.hand_over("b"), Err(Full::ForOne));
        assert_eq!(slots.take("a").err(), Some(Full::ForOne));
        drop(second);
        assert_eq!(first.hand_over("b"), Ok(()));
        assert_eq!(first.hand_over("b"), Ok(()));
        assert!(slots.take("a").is_ok());
        drop(first);
        assert_eq!(slots.count(), 0);
        assert!(slots.in_use().by_key.is_empty());
    }

    #[tokio::test]
    async fn waiting_callers_are_woken_when_a_slot_is_free() {
        let slots = slots(1, 0, LimitsMode::Enforce);
        slots.room().await;
        let only = slots.take_after_room(None).unwrap();
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(only);
        waiting.await.unwrap();
    }
}
