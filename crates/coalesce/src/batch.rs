//! Lookups by key from different callers share a load.
//!
//! A few loads run at the same time; lookups that arrive in the meantime are gathered for the next one. A lookup never
//! joins a load that has begun.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

use foldhash::HashMap;
use futures_util::future::BoxFuture;

use super::group::{Group, caught, lock};
use super::{Counters, Counts, Panicked};

/// The limits of a [`Batcher`]. None may be zero.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Loads that run at the same time.
    pub loads: usize,
    /// Different keys in one load.
    pub keys: usize,
    /// Lookups that wait for a load to begin; one more fails with [`BatchFailure::Full`].
    pub waiting: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            loads: 2,
            keys: 256,
            waiting: 20_000,
        }
    }
}

/// Why a lookup has no result, although its load reported no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchFailure {
    /// The load panicked. The panic hook has reported it.
    #[error("the load panicked")]
    Panicked,
    /// The maximum number of lookups waits.
    #[error("too many lookups wait")]
    Full,
}

type Loaded<K, V, E> = Result<HashMap<K, V>, E>;
type Load<K, V, E> = Box<dyn Fn(Vec<K>) -> BoxFuture<'static, Loaded<K, V, E>> + Send + Sync>;

/// Lookups by key that wait at the same time share one load.
///
/// A lookup that may start a load does so immediately, alone, in its own future; the others wait in order of arrival.
/// Dropping a lookup removes its key from a load that has not begun, and a load that no lookup waits for does not
/// begin. A lookup must be polled to completion or dropped, because it may be running the load for others.
pub struct Batcher<K, V, E> {
    load: Load<K, V, E>,
    queue: Mutex<Queue<K, V, E>>,
    limits: BatchLimits,
    counters: Counters,
}

struct Queue<K, V, E> {
    /// Loads that run, or that a notified batch is about to begin. Below the limit every batch has been notified.
    loads: usize,
    waiting: usize,
    batches: VecDeque<Gathering<K, V, E>>,
}

/// A batch that has not begun.
struct Gathering<K, V, E> {
    /// With the number of lookups that wait for each.
    keys: HashMap<K, usize>,
    notified: bool,
    batch: Arc<Batch<K, V, E>>,
}

struct Batch<K, V, E> {
    group: Group<Loaded<K, V, E>>,
    /// Set when the load begins, and kept for a leader who has to begin it again.
    keys: OnceLock<Vec<K>>,
}

enum Role<K, V, E> {
    First,
    Member(Arc<Batch<K, V, E>>),
    Full,
}

impl<K, V, E> Batcher<K, V, E>
where
    K: Hash + Eq + Clone,
    V: Clone,
    E: Clone + From<BatchFailure>,
{
    /// A batcher with these limits. `load` gets distinct keys, at most `limits.keys` of them, and returns the values of
    /// those that exist.
    pub fn new(
        limits: BatchLimits,
        load: impl Fn(Vec<K>) -> BoxFuture<'static, Loaded<K, V, E>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            load: Box::new(load),
            queue: Mutex::new(Queue {
                loads: 0,
                waiting: 0,
                batches: VecDeque::new(),
            }),
            limits,
            counters: Counters::default(),
        }
    }

    /// The value of `key`, from a load that began after this call did.
    pub async fn get(&self, key: K) -> Result<Option<V>, E> {
        match self.enter(&key) {
            Role::First => {
                let _running = RunningLoad { batcher: self };
                let mut values = self.execute(vec![key.clone()]).await?;
                Ok(values.remove(&key))
            }
            Role::Member(batch) => {
                let member = Member {
                    batcher: self,
                    key: &key,
                    batch,
                };
                member.result().await
            }
            Role::Full => Err(BatchFailure::Full.into()),
        }
    }

    /// Loads begun, and lookups that got the result of a load that another lookup ran.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Lookups that wait for a load to begin.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.queue).waiting
    }

    /// Loads that run, or are about to; never more than the limit.
    #[cfg(test)]
    pub(crate) fn loads_under_way(&self) -> usize {
        lock(&self.queue).loads
    }

    async fn execute(&self, keys: Vec<K>) -> Loaded<K, V, E> {
        self.counters.executions.fetch_add(1, Ordering::Relaxed);
        match caught(|| (self.load)(keys)).await {
            Ok(loaded) => loaded,
            Err(Panicked) => Err(BatchFailure::Panicked.into()),
        }
    }

    fn enter(&self, key: &K) -> Role<K, V, E> {
        let mut queue = lock(&self.queue);
        let queue = &mut *queue;
        let last = queue.batches.back_mut().filter(|gathering| {
            gathering.keys.len() < self.limits.keys || gathering.keys.contains_key(key)
        });
        if last.is_none() && queue.loads < self.limits.loads {
            queue.loads += 1;
            return Role::First;
        }
        if queue.waiting >= self.limits.waiting {
            return Role::Full;
        }
        queue.waiting += 1;
        if let Some(gathering) = last {
            gathering.batch.group.add_member();
            *gathering.keys.entry(key.clone()).or_default() += 1;
            return Role::Member(Arc::clone(&gathering.batch));
        }
        let batch = Arc::new(Batch {
            group: Group::with_one_member(),
            keys: OnceLock::new(),
        });
        queue.batches.push_back(Gathering {
            keys: HashMap::from_iter([(key.clone(), 1)]),
            notified: false,
            batch: Arc::clone(&batch),
        });
        Role::Member(batch)
    }

    /// No lookup joins the batch any more.
    fn begin(&self, batch: &Arc<Batch<K, V, E>>) {
        let mut queue = lock(&self.queue);
        if let Some(position) = queue.position(batch)
            && let Some(gathering) = queue.batches.remove(position)
        {
            queue.waiting -= gathering.keys.values().sum::<usize>();
            // Set once: a batch is in the queue only until it begins.
            let _ = batch.keys.set(gathering.keys.into_keys().collect());
        }
    }
}

impl<K, V, E> Queue<K, V, E> {
    fn position(&self, batch: &Arc<Batch<K, V, E>>) -> Option<usize> {
        self.batches
            .iter()
            .position(|gathering| Arc::ptr_eq(&gathering.batch, batch))
    }

    /// A load has ended, or will not begin, so the next batch may begin.
    fn end_load(&mut self) {
        let next = self
            .batches
            .iter_mut()
            .find(|gathering| !gathering.notified);
        if let Some(gathering) = next {
            gathering.notified = true;
            gathering.batch.group.begin_next();
        } else {
            self.loads -= 1;
        }
    }
}

/// A load that a lookup runs for itself. Dropped, it lets the next batch begin.
struct RunningLoad<'a, K, V, E> {
    batcher: &'a Batcher<K, V, E>,
}

impl<K, V, E> Drop for RunningLoad<'_, K, V, E> {
    fn drop(&mut self) {
        lock(&self.batcher.queue).end_load();
    }
}

/// A lookup as the member of a batch. Leaving early removes its key, and the last member to leave ends the batch.
struct Member<'a, K: Hash + Eq, V, E> {
    batcher: &'a Batcher<K, V, E>,
    key: &'a K,
    batch: Arc<Batch<K, V, E>>,
}

impl<K, V, E> Member<'_, K, V, E>
where
    K: Hash + Eq + Clone,
    V: Clone,
    E: Clone + From<BatchFailure>,
{
    async fn result(&self) -> Result<Option<V>, E> {
        let mut led = false;
        let execute = async || {
            led = true;
            let keys = self.batch.keys.get().cloned().unwrap_or_default();
            let loaded = self.batcher.execute(keys).await;
            let mut queue = lock(&self.batcher.queue);
            self.batch.group.end();
            queue.end_load();
            loaded
        };
        let begin = || self.batcher.begin(&self.batch);
        let loaded = self.batch.group.result(begin, execute).await;
        if !led {
            self.batcher.counters.joins.fetch_add(1, Ordering::Relaxed);
        }
        match loaded {
            Ok(values) => Ok(values.get(self.key).cloned()),
            Err(error) => Err(error.clone()),
        }
    }
}

impl<K: Hash + Eq, V, E> Drop for Member<'_, K, V, E> {
    fn drop(&mut self) {
        let group = &self.batch.group;
        if group.has_ended() {
            return;
        }
        let mut queue = lock(&self.batcher.queue);
        // Asked again under the lock: the leader may have ended in between.
        if group.has_ended() {
            return;
        }
        let is_last = group.remove_member();
        let Some(position) = queue.position(&self.batch) else {
            // It has begun. Without members it is a load that was given up half-way.
            if is_last {
                queue.end_load();
            }
            return;
        };
        queue.waiting -= 1;
        if is_last {
            let gathering = queue.batches.remove(position);
            if gathering.is_some_and(|gathering| gathering.notified) {
                queue.end_load();
            }
        } else if let Some(gathering) = queue.batches.get_mut(position)
            && let Some(lookups) = gathering.keys.get_mut(self.key)
        {
            *lookups -= 1;
            if *lookups == 0 {
                gathering.keys.remove(self.key);
            }
        }
    }
}
