//! The shutdown of the server: when it starts, and what it waits for.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Shared by everything that outlives the HTTP request that started it: sockets, and operations that must run to
/// completion.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    under_way: TaskTracker,
}

impl Shutdown {
    /// The shutdown begins when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            under_way: TaskTracker::new(),
        }
    }

    /// Cancelled when the server starts shutting down.
    pub fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// The server waits until the returned value is dropped.
    pub fn hold(&self) -> TaskTrackerToken {
        self.under_way.token()
    }

    /// Runs `work` to completion in its own task, for which the server waits.
    pub fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.under_way.spawn(work)
    }

    /// Waits until nothing is held and all tasks have ended.
    pub async fn finished(&self) {
        self.under_way.close();
        self.under_way.wait().await;
    }
}
