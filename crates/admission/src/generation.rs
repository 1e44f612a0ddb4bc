//! A number that grows whenever tokens or keys change: [`Generation`].

use tokio::sync::watch;

/// Grows whenever tokens or keys change: results that were derived from an older generation must be checked again.
/// Clones share the number.
#[derive(Clone, Debug, Default)]
pub(super) struct Generation(watch::Sender<u64>);

impl Generation {
    pub(super) fn current(&self) -> u64 {
        *self.0.borrow()
    }

    /// Call this after the change is visible to readers.
    pub(super) fn advance(&self) {
        self.0.send_modify(|number| *number += 1);
    }

    /// Receives each change from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
