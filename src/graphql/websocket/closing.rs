//! The close of a socket whose client is to come back: what is under way on it is answered first.
//!
//! A mutation that was committed and not answered would be sent again. So queries and mutations are finished, no operation
//! is taken any more, and the close follows the last result. Subscriptions are not waited for: they resume elsewhere.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::CloseFrame;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::message::close;

/// Shared by a socket and its operations.
#[derive(Clone, Default)]
pub(super) struct Closing(Arc<State>);

#[derive(Default)]
struct State {
    /// With which code and reason, once that is decided.
    frame: OnceLock<(u16, &'static str)>,
    /// What the close waits for.
    unanswered: TaskTracker,
}

impl Closing {
    /// Closes the socket with this code as soon as nothing is unanswered. What was decided before stands.
    pub(super) fn begin(&self, code: u16, reason: &'static str) {
        self.0.frame.get_or_init(|| (code, reason));
        self.0.unanswered.close();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.unanswered.is_closed()
    }

    /// The close waits until this is dropped.
    pub(super) fn unanswered(&self) -> TaskTrackerToken {
        self.0.unanswered.token()
    }

    /// Comes when the socket is to be closed now.
    pub(super) async fn finished(&self) -> CloseFrame {
        self.0.unanswered.wait().await;
        let (code, reason) = self.0.frame.get().copied().unwrap_or((1001, ""));
        close(code, reason)
    }
}
