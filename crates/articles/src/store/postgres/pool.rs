//! The pool of connections: how they are opened, tried before they are used again, and kept ready.
//!
//! A connection may be lost without a word: a proxy or firewall in between that forwards nothing more, a host that has
//! gone. So one that has rested is asked for a sign of life before it is used, and where one has gone silent, all that
//! have not answered since are closed as well: what took one of them has most likely taken the others.
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

/// How long a connection may rest and be used again without being asked for a sign of life.
const REST: Duration = Duration::from_secs(1);

/// How long to wait for a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// How often the pool is filled to its minimum.
const BETWEEN_FILLINGS: Duration = Duration::from_secs(10);

/// The connections to one database.
pub(super) type Pool = deadpool::managed::Pool<Connections>;

/// Opens connections, and tells which can be used again.
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

    fn trust_since(&self, then: Instant) {
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
        // Boxed, because all that take a connection would be as large, and few of them open one.
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
            return Err(RecycleError::message("others of its time are silent"));
        }
        if connection.answered_at().elapsed() < REST {
            return Ok(());
        }
        if let Err(error) = Box::pin(connection.check(SIGN_OF_LIFE)).await {
            tracing::warn!(%error, "a connection to PostgreSQL is replaced");
            if let Some(then) = connection.silent_since() {
                self.trust_since(then);
            }
            return Err(RecycleError::message("it gave no sign of life"));
        }
        Ok(())
    }
}

/// A pool that opens a connection when one is needed.
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
        // Those used last are used first, so that few connections stay warm under little load.
        .queue_mode(QueueMode::Lifo)
        .runtime(deadpool::Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: Some(settings.wait_timeout),
            create: Some(settings.connect_timeout),
            // A sign of life has a limit of its own.
            recycle: None,
        })
        .build()
        .map_err(OpenError::connect)
}

/// Closes what a connection that has gone silent leaves in doubt.
pub(super) fn after_use(pool: &Pool, connection: &PgConnection) {
    if let Some(then) = connection.silent_since() {
        pool.manager().trust_since(then);
        let closed = pool.retain(|idle, _| idle.answered_at() >= then).removed;
        tracing::warn!(
            idle = closed.len(),
            "a connection to PostgreSQL has gone silent, and is closed with those that may be so too"
        );
    }
}

/// Opens `size` connections, and looks after them: where one breaks, another is opened in its place.
pub(super) async fn keep_warm(pool: &Pool, size: usize) -> Result<(), OpenError> {
    fill(pool, size).await.map_err(OpenError::connect)?;
    let pool = pool.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(BETWEEN_FILLINGS).await;
            let status = pool.status();
            let in_use = status.size.saturating_sub(status.available);
            // Taking a connection from the pool is what finds out that it is broken.
            match fill(&pool, size.saturating_sub(in_use)).await {
                Err(PoolError::Closed) => return,
                Err(error) => tracing::warn!(%error, "the pool could not be filled to its minimum"),
                Ok(()) => {}
            }
        }
    });
    Ok(())
}

/// Takes so many connections at once, and gives them back.
async fn fill(pool: &Pool, count: usize) -> Result<(), PoolError<ConnectError>> {
    try_join_all((0..count).map(|_| pool.get())).await.map(drop)
}
