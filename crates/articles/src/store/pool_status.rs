//! What is reported of a pool of connections.

use super::waits::{WaitCounts, Waits};

/// How the connections of a pool are used.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolStatus {
    /// `postgres`, `readers` or `writer`; `sandbox` where there is one connection for all.
    pub pool: &'static str,
    /// Those that are open.
    pub connections: usize,
    /// Those that nobody uses.
    pub idle: usize,
    /// How many wait for one.
    pub waiting: usize,
    /// How long they were waited for since the start.
    pub waits: WaitCounts,
    /// How many there may be.
    pub most: usize,
}

impl PoolStatus {
    /// Of the only connection of a sandbox.
    pub(super) const SANDBOX: Self = Self {
        pool: "sandbox",
        connections: 1,
        idle: 0,
        waiting: 0,
        waits: WaitCounts::NONE,
        most: 1,
    };

    /// Of a pool that is called `pool`.
    pub(super) fn of(pool: &'static str, status: deadpool::Status, waits: &Waits) -> Self {
        Self {
            pool,
            connections: status.size,
            idle: status.available,
            waiting: status.waiting,
            waits: waits.counts(),
            most: status.max_size,
        }
    }
}
