//! Equal reads share an execution.

use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use foldhash::{HashMap, HashMapExt as _};

use super::group::{Group, caught, lock};
use super::{Counters, Counts, Panicked};

/// The limits of a [`Coalescer`]; a call beyond a limit runs immediately and alone.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Keys with an execution at the same time.
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

/// Equal reads that wait at the same time share one execution.
///
/// Each key has at most one execution at a time. Calls that arrive while it runs form a group, and share one new
/// execution when it ends. A call that finds its key idle runs immediately in its own future, without a task, and with
/// no allocation except for the key.
///
/// Dropping a call is safe at any time: the others of its group still get a result, and an execution that no call waits
/// for does not begin. A call must be polled to completion or dropped, because it may be running the execution for
/// others.
pub struct Coalescer<K, V> {
    lanes: Mutex<HashMap<K, Lane<V>>>,
    limits: Limits,
    counters: Counters,
}

/// The state of one key. A lane with neither an execution nor a group is removed.
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
    /// A coalescer with these limits.
    pub fn new(limits: Limits) -> Self {
        Self {
            lanes: Mutex::new(HashMap::new()),
            limits,
            counters: Counters::default(),
        }
    }

    /// The result of `run`, or of the `run` of a call with an equal key that began after this call did.
    ///
    /// # Errors
    /// The execution panicked.
    pub async fn get<Fut: Future<Output = V>>(
        &self,
        key: K,
        run: impl FnOnce() -> Fut,
    ) -> Result<V, Panicked> {
        self.get_for(key, |_| run()).await
    }

    /// Like [`get`](Self::get), where `run` gets the number of calls that wait for its result, at least one. No other
    /// call joins them.
    ///
    /// # Errors
    /// The execution panicked.
    pub async fn get_for<Fut: Future<Output = V>>(
        &self,
        key: K,
        run: impl FnOnce(usize) -> Fut,
    ) -> Result<V, Panicked> {
        match self.enter(&key) {
            Role::First => {
                let _running = RunningExecution {
                    coalescer: self,
                    key: &key,
                };
                self.alone(|| run(1)).await
            }
            Role::Member(group) => {
                let member = Member {
                    coalescer: self,
                    key: &key,
                    group,
                };
                member.result(run).await
            }
            Role::Alone => self.alone(|| run(1)).await,
        }
    }

    /// The result of `run`, which no call shares. It is counted like others.
    ///
    /// # Errors
    /// The execution panicked.
    pub async fn alone<Fut: Future<Output = V>>(
        &self,
        run: impl FnOnce() -> Fut,
    ) -> Result<V, Panicked> {
        self.counters.executions.fetch_add(1, Ordering::Relaxed);
        caught(run).await
    }

    /// How often calls executed and how often they shared.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Keys that an execution runs or waits for.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        lock(&self.lanes).len()
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

    /// No call joins the group any more: its execution begins.
    fn begin(&self, key: &K) {
        if let Some(lane) = lock(&self.lanes).get_mut(key) {
            lane.gathering = None;
            lane.under_way = true;
        }
    }
}

/// Ends the execution of a key. The group that has formed in the meantime is next; without one the lane is removed.
fn end<K: Hash + Eq, V>(lanes: &mut HashMap<K, Lane<V>>, key: &K) {
    let Some(lane) = lanes.get_mut(key) else {
        return;
    };
    lane.under_way = false;
    match &lane.gathering {
        Some(group) => group.begin_next(),
        None => {
            lanes.remove(key);
        }
    }
}

/// An execution that a call runs for itself. Dropped, it lets the next group begin.
struct RunningExecution<'a, K: Hash + Eq, V> {
    coalescer: &'a Coalescer<K, V>,
    key: &'a K,
}

impl<K: Hash + Eq, V> Drop for RunningExecution<'_, K, V> {
    fn drop(&mut self) {
        end(&mut lock(&self.coalescer.lanes), self.key);
    }
}

/// A call as the member of a group. The last member to leave ends the group.
struct Member<'a, K: Hash + Eq, V> {
    coalescer: &'a Coalescer<K, V>,
    key: &'a K,
    group: Arc<Group<Result<V, Panicked>>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Member<'_, K, V> {
    async fn result<Fut: Future<Output = V>>(
        &self,
        run: impl FnOnce(usize) -> Fut,
    ) -> Result<V, Panicked> {
        let mut led = false;
        let execute = async || {
            led = true;
            let members = self.group.members();
            let result = self.coalescer.alone(|| run(members)).await;
            let mut lanes = lock(&self.coalescer.lanes);
            self.group.end();
            end(&mut lanes, self.key);
            result
        };
        let begin = || self.coalescer.begin(self.key);
        let result = self.group.result(begin, execute).await.clone();
        if !led {
            self.coalescer
                .counters
                .joins
                .fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl<K: Hash + Eq, V> Drop for Member<'_, K, V> {
    fn drop(&mut self) {
        if self.group.has_ended() {
            return;
        }
        let mut lanes = lock(&self.coalescer.lanes);
        // Again under the lock: the leader may have ended in between.
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
