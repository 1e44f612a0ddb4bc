//! Work that is asked for several times at once is done once, and no answer is staler for it.
//!
//! [`Coalescer`] shares one execution among equal reads, [`Batcher`] gathers point lookups into one
//! load. Both follow one rule: a call may only join an execution that has not begun. So a read that
//! begins after a write was acknowledged never misses that write, exactly as if it had run alone.
//! Neither knows what it carries: no article, no GraphQL, no HTTP.

mod batch;
mod group;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use batch::{BatchFailure, BatchLimits, Batcher};
use foldhash::{HashMap, HashMapExt as _};
use group::{Group, caught, lock};

/// The execution that should have answered the call panicked; the panic hook has reported how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the execution panicked")]
pub struct Panicked;

/// How much a [`Coalescer`] may hold; a call beyond it runs alone, at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Different keys under way at the same time.
    pub keys: usize,
    /// Calls that wait for one execution.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keys: 10_000,
            members: 10_000,
        }
    }
}

/// How often work was done and how often it was shared, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Executions begun.
    pub executions: u64,
    /// Calls answered by an execution that another call ran.
    pub joins: u64,
}

#[derive(Debug, Default)]
struct Counters {
    executions: AtomicU64,
    joins: AtomicU64,
}

impl Counters {
    fn read(&self) -> Counts {
        Counts {
            executions: self.executions.load(Ordering::Relaxed),
            joins: self.joins.load(Ordering::Relaxed),
        }
    }
}

/// Lets equal reads that wait at the same time share one execution.
///
/// Each key has one execution under way at most; while it runs, the calls that arrive gather, and
/// when it ends they start one new execution together. A call that finds its key idle runs at once
/// in its own future, without a task or an allocation but that of the key.
///
/// Dropping a call is safe at any time: whoever else waits still gets an answer, and an execution
/// that nobody waits for any more does not begin. A call must be polled to the end or dropped, since
/// it may be running the execution for others.
pub struct Coalescer<K, V> {
    lanes: Mutex<HashMap<K, Lane<V>>>,
    limits: Limits,
    counters: Counters,
}

/// What is going on for one key. A lane with neither an execution nor a group is removed.
struct Lane<V> {
    under_way: bool,
    gathering: Option<Arc<Group<Result<V, Panicked>>>>,
}

enum Role<V> {
    First,
    Member(Arc<Group<Result<V, Panicked>>>),
    Alone,
}

impl<K: Hash + Eq + Clone, V: Clone> Coalescer<K, V> {
    /// An idle coalescer with these bounds.
    pub fn new(limits: Limits) -> Self {
        Self {
            lanes: Mutex::new(HashMap::new()),
            limits,
            counters: Counters::default(),
        }
    }

    /// The answer of `run`, or of an equal call's `run` that began after this call did.
    ///
    /// Fails only if the execution panicked.
    pub async fn get<Fut: Future<Output = V>>(
        &self,
        key: K,
        run: impl FnOnce() -> Fut,
    ) -> Result<V, Panicked> {
        match self.enter(&key) {
            Role::First => {
                let _turn = Turn {
                    coalescer: self,
                    key: &key,
                };
                self.execute(run).await
            }
            Role::Member(group) => {
                let member = Member {
                    coalescer: self,
                    key: &key,
                    group,
                };
                member.answer(run).await
            }
            Role::Alone => self.execute(run).await,
        }
    }

    /// For the metrics.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Keys with an execution under way or waited for.
    pub fn keys(&self) -> usize {
        lock(&self.lanes).len()
    }

    async fn execute<Fut: Future<Output = V>>(
        &self,
        run: impl FnOnce() -> Fut,
    ) -> Result<V, Panicked> {
        self.counters.executions.fetch_add(1, Ordering::Relaxed);
        caught(run).await
    }

    fn enter(&self, key: &K) -> Role<V> {
        let mut lanes = lock(&self.lanes);
        let Some(lane) = lanes.get_mut(key) else {
            if lanes.len() >= self.limits.keys {
                return Role::Alone;
            }
            let lane = Lane {
                under_way: true,
                gathering: None,
            };
            lanes.insert(key.clone(), lane);
            return Role::First;
        };
        match &lane.gathering {
            Some(group) if group.members() >= self.limits.members => Role::Alone,
            Some(group) => {
                group.add_member();
                Role::Member(Arc::clone(group))
            }
            None => {
                let group = Arc::new(Group::with_one_member());
                lane.gathering = Some(Arc::clone(&group));
                Role::Member(group)
            }
        }
    }

    /// From here on nobody joins the group that gathered: it is the execution under way.
    fn begin(&self, key: &K) {
        if let Some(lane) = lock(&self.lanes).get_mut(key) {
            lane.gathering = None;
            lane.under_way = true;
        }
    }
}

/// Ends the execution under way: the turn goes to the group that gathered, or the lane vanishes.
fn end<K: Hash + Eq, V>(lanes: &mut HashMap<K, Lane<V>>, key: &K) {
    let Some(lane) = lanes.get_mut(key) else {
        return;
    };
    lane.under_way = false;
    match &lane.gathering {
        Some(group) => group.ring(),
        None => {
            lanes.remove(key);
        }
    }
}

/// An execution that one call runs for itself; the turn passes on however it ends.
struct Turn<'a, K: Hash + Eq, V> {
    coalescer: &'a Coalescer<K, V>,
    key: &'a K,
}

impl<K: Hash + Eq, V> Drop for Turn<'_, K, V> {
    fn drop(&mut self) {
        end(&mut lock(&self.coalescer.lanes), self.key);
    }
}

/// A call's place in a group; leaving it early may be what ends the group.
struct Member<'a, K: Hash + Eq, V> {
    coalescer: &'a Coalescer<K, V>,
    key: &'a K,
    group: Arc<Group<Result<V, Panicked>>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Member<'_, K, V> {
    async fn answer<Fut: Future<Output = V>>(
        &self,
        run: impl FnOnce() -> Fut,
    ) -> Result<V, Panicked> {
        let mut led = false;
        let execute = async || {
            led = true;
            let answer = self.coalescer.execute(run).await;
            let mut lanes = lock(&self.coalescer.lanes);
            self.group.end();
            end(&mut lanes, self.key);
            answer
        };
        let begin = || self.coalescer.begin(self.key);
        let answer = self.group.answer(begin, execute).await.clone();
        if !led {
            self.coalescer
                .counters
                .joins
                .fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

impl<K: Hash + Eq, V> Drop for Member<'_, K, V> {
    fn drop(&mut self) {
        if self.group.has_ended() {
            return;
        }
        let mut lanes = lock(&self.coalescer.lanes);
        // Asked again under the lock: the leader may have ended in between.
        if self.group.has_ended() || !self.group.remove_member() {
            return;
        }
        let Some(lane) = lanes.get_mut(self.key) else {
            return;
        };
        let is_gathering = lane
            .gathering
            .as_ref()
            .is_some_and(|gathering| Arc::ptr_eq(gathering, &self.group));
        if !is_gathering {
            end(&mut lanes, self.key);
        } else if lane.under_way {
            lane.gathering = None;
        } else {
            lanes.remove(self.key);
        }
    }
}
