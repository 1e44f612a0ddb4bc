//! The close of a socket whose client is to come back: what is under way on it gets its response first.
//!
//! A mutation that was committed without a response would be sent again. So queries and mutations are finished, no operation
//! begins any more, and the close follows the last result. Subscriptions are not waited for: they resume elsewhere.

use std::borrow::Cow;
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
    frame: OnceLock<(u16, Cow<'static, str>)>,
    /// What the close waits for.
    unanswered: TaskTracker,
}

impl Closing {
    /// Closes the socket with this code as soon as nothing is without its response. What was decided before stands.
    pub(super) fn begin(&self, code: u16, reason: impl Into<Cow<'static, str>>) {
        self.0.frame.get_or_init(|| (code, reason.into()));
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
        match self.0.frame.get() {
            Some((code, reason)) => close(*code, reason),
            None => close(1001, ""),
        }
    }
}
