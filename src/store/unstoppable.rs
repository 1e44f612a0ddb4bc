//! Work on the database goes on when nobody waits for it any more.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::error::{Error, Result};

/// A future that is polled to its end by a task of its own where it is dropped before.
///
/// A client that hangs up drops the future of its request. A transaction dropped half-way would keep the only writer
/// locked, or leave a connection in the middle of an answer. A task for each piece of work would do as well, but to
/// begin one and to wait for it wakes other threads, which costs as much as a short statement.
pub(super) struct Unstoppable<T: Send + 'static>(Option<BoxFuture<'static, Result<T>>>);

impl<T: Send + 'static> Unstoppable<T> {
    pub(super) fn new(work: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        let work = AssertUnwindSafe(work).catch_unwind();
        Self(Some(
            work.map(|done| done.unwrap_or_else(|_| Err(Error::internal("the work panicked"))))
                .boxed(),
        ))
    }
}

impl<T: Send + 'static> Future for Unstoppable<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = match &mut self.0 {
            Some(work) => work.as_mut().poll(context),
            // It has ended, and its result was taken.
            None => Poll::Pending,
        };
        if done.is_ready() {
            self.0 = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for Unstoppable<T> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
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
    async fn work_that_is_dropped_goes_on() {
        let (go_on, told) = oneshot::channel::<()>();
        let (ended, end) = oneshot::channel();
        let mut work = Unstoppable::new(async move {
            told.await.map_err(Error::internal)?;
            ended.send("ended").map_err(Error::internal)
        });
        assert!(timeout(Duration::ZERO, &mut work).await.is_err());
        drop(work);
        go_on.send(()).unwrap();
        assert_eq!(end.await, Ok("ended"));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_ours() {
        let work = Unstoppable::<()>::new(async { panic!("no") });
        assert!(matches!(work.await, Err(Error::Internal(_))));
    }
}
