//! Closes a socket whose client should reconnect: operations under way get their responses first.
//!
//! If a mutation was committed without a response, the client would send it again. So queries and mutations are
//! finished, no new operations begin, and the close follows the last result. Subscriptions are not awaited: clients
//! resume them elsewhere.

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
    /// The code and the reason, once they are set.
    frame: OnceLock<(u16, Cow<'static, str>)>,
    /// The operations that the close waits for.
    unanswered: TaskTracker,
}

impl Closing {
    /// Closes the socket with this code as soon as all operations have their responses. The first code that was set is
    /// used.
    pub(super) fn begin(&self, code: u16, reason: impl Into<Cow<'static, str>>) {
        self.0.frame.get_or_init(|| (code, reason.into()));
        self.0.unanswered.close();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.unanswered.is_closed()
    }

    /// The close waits until the returned value is dropped.
    pub(super) fn unanswered(&self) -> TaskTrackerToken {
        self.0.unanswered.token()
    }

    /// Completes when the socket must be closed.
    pub(super) async fn finished(&self) -> CloseFrame {
        self.0.unanswered.wait().await;
        match self.0.frame.get() {
            Some((code, reason)) => close(*code, reason),
            None => close(1001, ""),
        }
    }
}
