//! A number that grows whenever tokens or keys have changed: [`Generation`].

use tokio::sync::watch;

/// Grows whenever tokens or keys have changed: what was derived from older ones is to be looked at again. Clones share
/// the number.
#[derive(Clone, Debug, Default)]
pub(super) struct Generation(watch::Sender<u64>);

impl Generation {
    pub(super) fn current(&self) -> u64 {
        *self.0.borrow()
    }

    /// To be called after the change can be seen.
    pub(super) fn advance(&self) {
        self.0.send_modify(|number| *number += 1);
    }

    /// Told of each change from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
