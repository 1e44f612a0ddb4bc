//! The connection pool: how connections are opened, checked before reuse, and kept ready.
//!
//! A connection may be lost silently: a proxy or firewall stops forwarding, or a host disappears. So a connection that
//! was idle is checked before it is used, and where one is unresponsive, all others that have not responded since are
//! closed as well, because most likely they were lost with it.
//!
//! Decision: `docs/decisions/0012-postgres-connection.md`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool::managed::{
    Manager, Metrics, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
};
use diesel_async::AsyncConnection as _;
use futures_util::future::try_join_all;
use tokio::time::Instant;

use crate::store::DatabaseSettings;
use crate::store::OpenError;
use crate::store::statements::StatementTimer;
use postgres_connect::PgConnection;
use postgres_connect::{ConnectError, ConnectOptions};

/// How long a connection may be idle and still be used without a check.
const UNCHECKED_IDLE: Duration = Duration::from_secs(1);

/// How long to wait for the response to a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the pool is refilled to its minimum.
const REFILL_INTERVAL: Duration = Duration::from_secs(10);

/// The connections to one database.
pub(super) type Pool = deadpool::managed::Pool<Connections>;

/// Opens connections, and decides which may be reused.
pub(super) struct Connections {
    options: ConnectOptions,
    /// Connections that have not answered since then are not trusted.
    trusted_since: Mutex<Instant>,
}

impl Connections {
    fn trusted_since(&self) -> Instant {
        *self
            .trusted_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn distrust_before(&self, then: Instant) {
        let mut since = self
            .trusted_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *since = then.max(*since);
    }
}

impl Manager for Connections {
    type Type = PgConnection;
    type Error = ConnectError;

    async fn create(&self) -> Result<PgConnection, ConnectError> {
        // Boxed, because every future that takes a connection would contain this one, and few of them open a
        // connection.
        let mut connection = Box::pin(self.options.connect()).await?;
        connection.set_instrumentation(StatementTimer::default());
        Ok(connection)
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        _: &Metrics,
    ) -> RecycleResult<ConnectError> {
        if connection.is_broken() {
            return Err(RecycleError::message("it is broken"));
        }
        if connection.answered_at() < self.trusted_since() {
            return Err(RecycleError::message("others as old as it do not respond"));
        }
        if connection.answered_at().elapsed() < UNCHECKED_IDLE {
            return Ok(());
        }
        if let Err(error) = Box::pin(connection.check(CHECK_TIMEOUT)).await {
            tracing::warn!(%error, "a connection to PostgreSQL is replaced");
            if let Some(then) = connection.silent_since() {
                self.distrust_before(then);
            }
            return Err(RecycleError::message("it did not respond"));
        }
        Ok(())
    }
}

/// A pool that opens connections on demand.
pub(super) fn pool(
    options: &ConnectOptions,
    settings: &DatabaseSettings,
) -> Result<Pool, OpenError> {
    let connections = Connections {
        options: options.clone(),
        trusted_since: Mutex::new(Instant::now()),
    };
    Pool::builder(connections)
        .max_size(settings.max_size.get())
        // The most recently used connections are reused first, so that under light load a few connections stay warm.
        .queue_mode(QueueMode::Lifo)
        .runtime(deadpool::Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: Some(settings.wait_timeout),
            create: Some(settings.connect_timeout),
            // The check has its own time limit.
            recycle: None,
        })
        .build()
        .map_err(OpenError::connect)
}

/// Closes the connections that may have been lost with an unresponsive one.
pub(super) fn after_use(pool: &Pool, connection: &PgConnection) {
    if let Some(then) = connection.silent_since() {
        pool.manager().distrust_before(then);
        let closed = pool.retain(|idle, _| idle.answered_at() >= then).removed;
        tracing::warn!(
            idle = closed.len(),
            "a connection to PostgreSQL does not respond, and is closed with others that may not respond either"
        );
    }
}

/// Opens `size` connections and keeps that number open: a broken connection is replaced.
pub(super) async fn keep_warm(pool: &Pool, size: usize) -> Result<(), OpenError> {
    fill(pool, size).await.map_err(OpenError::connect)?;
    let pool = pool.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(REFILL_INTERVAL).await;
            let status = pool.status();
            let in_use = status.size.saturating_sub(status.available);
            // Only taking a connection from the pool reveals that it is broken.
            match fill(&pool, size.saturating_sub(in_use)).await {
                Err(PoolError::Closed) => return,
                Err(error) => tracing::warn!(%error, "the pool could not be filled to its minimum"),
                Ok(()) => {}
            }
        }
    });
    Ok(())
}

/// Takes this number of connections at the same time, and returns them to the pool.
async fn fill(pool: &Pool, count: usize) -> Result<(), PoolError<ConnectError>> {
    try_join_all((0..count).map(|_| pool.get())).await.map(drop)
}
