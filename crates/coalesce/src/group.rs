//! Calls that wait together for one execution: what [`Coalescer`](super::Coalescer) and [`Batcher`](super::Batcher) have
//! in common.
//!
//! One member leads: it waits until the group may begin and runs the execution in its own future, so nothing is spawned
//! and nothing need be `'static`. When the leader is dropped, the next member leads and begins again. The owner decides
//! who joins, and when the group may begin.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use tokio::sync::{Notify, OnceCell};

use super::Panicked;

/// One execution, begun or not, and the calls that wait for its result.
pub(super) struct Group<A> {
    result: OnceCell<A>,
    may_begin: Notify,
    begun: AtomicBool,
    ended: AtomicBool,
    members: AtomicUsize,
}

impl<A> Group<A> {
    pub(super) fn with_one_member() -> Self {
        Self {
            result: OnceCell::new(),
            may_begin: Notify::new(),
            begun: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            members: AtomicUsize::new(1),
        }
    }

    /// Lets the group begin; called once, by the execution that ends.
    pub(super) fn begin_next(&self) {
        self.may_begin.notify_one();
    }

    /// Waits for the result; the leader runs `execute`.
    ///
    /// `begin` closes the group to further members. It is called once, when the group may begin, before the execution.
    /// Nothing is awaited between the two, nor between the execution and the result.
    pub(super) async fn result<Fut: Future<Output = A>>(
        &self,
        begin: impl FnOnce(),
        execute: impl FnOnce() -> Fut,
    ) -> &A {
        let lead = async || {
            if !self.begun.load(Ordering::Acquire) {
                self.may_begin.notified().await;
                begin();
                self.begun.store(true, Ordering::Release);
            }
            execute().await
        };
        self.result.get_or_init(lead).await
    }

    // The count changes only under the lock of the owner. It is atomic because it is behind an `Arc`.

    pub(super) fn members(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    pub(super) fn add_member(&self) {
        self.members.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes one member; true if it was the last.
    pub(super) fn remove_member(&self) -> bool {
        self.members.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Marks the execution as ended: members need not be removed any more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Runs to the end or to a panic, which must not reach the other members.
pub(super) async fn caught<Fut: Future>(
    run: impl FnOnce() -> Fut,
) -> Result<Fut::Output, Panicked> {
    AssertUnwindSafe(async { run().await })
        .catch_unwind()
        .await
        .map_err(|_| Panicked)
}

/// Locks. Poison is ignored: no code that holds the lock can panic half-way through a change.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
