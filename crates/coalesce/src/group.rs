//! Calls that wait together for one execution: the part that equal reads and batches have in common.
//!
//! One member leads: it waits for the group's turn and runs the execution inside its own future, so
//! nothing is spawned and nothing need be `'static`. A leader that is dropped leaves the lead to the
//! next member, who begins again. Who may join, and when the turn comes, is the owner's business.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use tokio::sync::{Notify, OnceCell};

use super::Panicked;

/// One execution, begun or not, and the calls that wait for its answer.
pub(super) struct Group<A> {
    answer: OnceCell<A>,
    turn: Notify,
    begun: AtomicBool,
    ended: AtomicBool,
    members: AtomicUsize,
}

impl<A> Group<A> {
    pub(super) fn with_one_member() -> Self {
        Self {
            answer: OnceCell::new(),
            turn: Notify::new(),
            begun: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            members: AtomicUsize::new(1),
        }
    }

    /// Lets the group begin; called once, by whoever frees the turn.
    pub(super) fn ring(&self) {
        self.turn.notify_one();
    }

    /// Waits for the answer; the member whose part it is to lead runs `execute` in between.
    ///
    /// `begin` closes the group to newcomers and is called once, when the turn has come and before
    /// the execution. Nothing is awaited between the two, nor between the execution and the answer.
    pub(super) async fn answer<Fut: Future<Output = A>>(
        &self,
        begin: impl FnOnce(),
        execute: impl FnOnce() -> Fut,
    ) -> &A {
        let lead = async || {
            if !self.begun.load(Ordering::Acquire) {
                self.turn.notified().await;
                begin();
                self.begun.store(true, Ordering::Release);
            }
            execute().await
        };
        self.answer.get_or_init(lead).await
    }

    // The counts below change only under the owner's lock; they are atomic to be reachable through an `Arc`.

    pub(super) fn members(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    pub(super) fn add_member(&self) {
        self.members.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one member away; true if it was the last.
    pub(super) fn remove_member(&self) -> bool {
        self.members.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Marks the execution as over: its members may now leave without a word.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Runs to the end or to a panic, which must not take the others of the group with it.
pub(super) async fn caught<Fut: Future>(
    run: impl FnOnce() -> Fut,
) -> Result<Fut::Output, Panicked> {
    AssertUnwindSafe(async { run().await })
        .catch_unwind()
        .await
        .map_err(|_| Panicked)
}

/// Locks; a panic elsewhere cannot have left these few lines of bookkeeping half-done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
