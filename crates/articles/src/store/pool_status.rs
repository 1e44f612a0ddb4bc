//! The status of a connection pool, for metrics.

use super::pool_waits::{WaitCounts, Waits};

/// How the connections of a pool are used.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolStatus {
    /// `postgres`, `readers` or `writer`; `sandbox` where there is only one connection.
    pub pool: &'static str,
    /// Open connections.
    pub connections: usize,
    /// Connections that are not in use.
    pub idle: usize,
    /// The number of tasks that wait for a connection.
    pub waiting: usize,
    /// How long tasks have waited for connections since the start.
    pub waits: WaitCounts,
    /// The maximum number of connections.
    pub most: usize,
}

impl PoolStatus {
    /// The status of a sandbox's only connection.
    pub(super) const SANDBOX: Self = Self {
        pool: "sandbox",
        connections: 1,
        idle: 0,
        waiting: 0,
        waits: WaitCounts::NONE,
        most: 1,
    };

    /// The status of the pool with the name `pool`.
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
