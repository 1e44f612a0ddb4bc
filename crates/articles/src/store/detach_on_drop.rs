//! Work on the database that has begun continues when its caller is dropped.
//!
//! Three mechanisms let work finish, each at another level. A mutation is a task
//! ([`crate::graphql::shutdown::Shutdown::spawn`]): it runs all of its statements, and the server waits for it when it
//! stops. Work on a connection, including reads, is a [`DetachOnDrop`] from when it has its connection, so that no
//! connection is left inside a transaction. The group commit of SQLite (`sqlite/commit.rs`) has a queue: a write in it
//! is committed with the others, even if its caller is gone.
//!
//! Decision: `docs/decisions/0007-fast-path.md`.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::error::{Error, Result};

/// Whether work has begun, and whether its caller has been dropped. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(super) struct Abandoned(Arc<State>);

#[derive(Debug, Default)]
struct State {
    has_begun: AtomicBool,
    is_set: AtomicBool,
}

impl Abandoned {
    pub(super) fn set(&self) {
        self.0.is_set.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Relaxed)
    }

    /// The work calls this when it has its connection: if it is dropped before that, it is not continued.
    pub(super) fn begin(&self) {
        self.0.has_begun.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Relaxed)
    }
}

/// A future that is continued in its own task if it is dropped after it has begun. If it is dropped before, it is
/// discarded: under overload, work without a caller must not delay others.
///
/// A client that disconnects drops the future of its request. A transaction dropped half-way would keep the only writer
/// locked, or leave a connection in the middle of a result. Spawning a task for all work would achieve the same, but
/// spawning it and waiting for it wakes other threads, which costs as much as a short statement.
pub(super) struct DetachOnDrop<T: Send + 'static> {
    work: Option<BoxFuture<'static, Result<T>>>,
    abandoned: Abandoned,
}

impl<T: Send + 'static> DetachOnDrop<T> {
    /// `abandoned` is set when this is dropped early, for work that may then stop.
    pub(super) fn new(
        work: impl Future<Output = Result<T>> + Send + 'static,
        abandoned: Abandoned,
    ) -> Self {
        let work = AssertUnwindSafe(work).catch_unwind();
        let work =
            work.map(|done| done.unwrap_or_else(|_| Err(Error::internal("the work panicked"))));
        Self {
            work: Some(work.boxed()),
            abandoned,
        }
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = match &mut self.work {
            Some(work) => work.as_mut().poll(context),
            // It has completed, and its result was taken.
            None => Poll::Pending,
        };
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for DetachOnDrop<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else {
            return;
        };
        self.abandoned.set();
        if !self.abandoned.has_begun() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn dropped_work_continues() {
        let (go_on, may_continue) = oneshot::channel::<()>();
        let (ended, end) = oneshot::channel();
        let abandoned = Abandoned::default();
        let begun = abandoned.clone();
        let work = async move {
            begun.begin();
            may_continue.await.map_err(Error::internal)?;
            ended.send("ended").map_err(Error::internal)
        };
        let mut work = DetachOnDrop::new(work, abandoned.clone());
        assert!(timeout(Duration::ZERO, &mut work).await.is_err());
        assert!(!abandoned.is_set());
        drop(work);
        assert!(abandoned.is_set());
        go_on.send(()).unwrap();
        assert_eq!(end.await, Ok("ended"));
    }

    #[tokio::test]
    async fn work_dropped_before_it_begins_is_not_executed() {
        let (ended, end) = oneshot::channel::<()>();
        let abandoned = Abandoned::default();
        let work = async move {
            std::future::pending::<()>().await;
            ended.send(()).map_err(|()| Error::internal("nobody waits"))
        };
        let mut work = DetachOnDrop::new(work, abandoned.clone());
        assert!(timeout(Duration::ZERO, &mut work).await.is_err());
        drop(work);
        assert!(abandoned.is_set());
        assert!(end.await.is_err());
    }

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error() {
        let abandoned = Abandoned::default();
        let work = DetachOnDrop::<()>::new(async { panic!("no") }, abandoned.clone());
        assert!(matches!(work.await, Err(Error::Internal(_))));
        assert!(!abandoned.is_set());
    }
}
