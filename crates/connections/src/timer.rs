//! A timer that starts, stops and starts again: [`Timer`].

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Starts when it is first polled and runs until it is stopped. It costs nothing before that.
#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl Timer {
    /// Ready when it has run for `duration`.
    pub(super) fn poll(&mut self, duration: Duration, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(duration)));
        if !self.is_running {
            self.is_running = true;
            sleep.as_mut().reset(Instant::now() + duration);
        }
        sleep.as_mut().poll(context)
    }

    pub(super) fn stop(&mut self) {
        self.is_running = false;
    }
}
