//! The end of the server: when it is told to stop, and what it waits for then.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Shared by everything that outlives the HTTP request that began it: sockets, and operations that run to their end.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    under_way: TaskTracker,
}

impl Shutdown {
    /// It begins when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            under_way: TaskTracker::new(),
        }
    }

    /// Cancelled when the server is told to stop.
    pub fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// The server waits until the value is dropped.
    pub fn hold(&self) -> TaskTrackerToken {
        self.under_way.token()
    }

    /// Runs to its end in a task of its own, for which the server waits.
    pub fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.under_way.spawn(work)
    }

    /// Waits for all that is held or runs.
    pub async fn finished(&self) {
        self.under_way.close();
        self.under_way.wait().await;
    }
}
