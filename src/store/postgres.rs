//! All that only PostgreSQL does: its pool, its transactions, and what its errors mean.

mod connect;
mod dialect;
pub(super) mod feed;
mod tls;
mod url;

use std::time::Duration;

use deadpool::managed::{PoolError, QueueMode, Timeouts};
use diesel::dsl::sql;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::pooled_connection::deadpool::{Pool, PoolError as DieselPoolError};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{
    AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection as _, TransactionManager as _,
};
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use tokio::sync::Mutex;

pub use self::connect::{ConnectDefaults, ConnectOptions};
pub use self::tls::{RootCertificates, SslMode};
pub use self::url::UrlError;
use super::connection::{Connection, Work};
use super::migrations::{self, Migrate, MigrationStatus};
use super::{Access, OpenError, PoolStatus, from_pool};
use crate::config::DatabaseSettings;
use crate::error::{Error, Result};

/// The key of the advisory lock under which migrations are applied: "articles" in ASCII.
const MIGRATION_LOCK: i64 = 0x6172_7469_636c_6573;

/// The connections to one database.
pub(super) struct Postgres {
    options: ConnectOptions,
    connections: Connections,
}

enum Connections {
    Pooled(Pool<AsyncPgConnection>),
    /// One connection in a transaction that is rolled back in the end.
    Sandbox(Mutex<AsyncPgConnection>),
}

impl Postgres {
    pub(super) async fn open(
        options: &ConnectOptions,
        settings: &DatabaseSettings,
        migrate: bool,
    ) -> Result<Self, OpenError> {
        if migrate {
            self::migrate(options, Migrate::Up).await?;
        }
        let mut connection = options.connect().await?;
        require_utf8(&mut connection).await?;
        warn_without_trigrams(&mut connection).await?;
        let connections = if settings.force_roll_back {
            AnsiTransactionManager::begin_transaction(&mut connection).await?;
            Connections::Sandbox(Mutex::new(connection))
        } else {
            drop(connection);
            let pool = pool(options, settings)?;
            keep_warm(&pool, settings.min_size).await?;
            Connections::Pooled(pool)
        };
        Ok(Self {
            options: options.clone(),
            connections,
        })
    }

    pub(super) fn describe(&self) -> String {
        self.options.to_string()
    }

    pub(super) async fn run<T: Send + 'static>(&self, access: Access, work: Work<T>) -> Result<T> {
        match &self.connections {
            Connections::Pooled(pool) => {
                let connection = &mut *pool.get().await.map_err(from_pool)?;
                match access {
                    // Each of their statements is a transaction of its own, without a round trip for it.
                    Access::Read | Access::Scan | Access::Write => {
                        work(&mut Connection::Postgres(connection)).await
                    }
                    Access::Snapshot => {
                        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                        AnsiTransactionManager::begin_transaction_sql(connection, BEGIN)
                            .await
                            .map_err(not_begun)?;
                        finish(connection, work).await
                    }
                    Access::Transaction => {
                        AnsiTransactionManager::begin_transaction(connection)
                            .await
                            .map_err(not_begun)?;
                        finish(connection, work).await
                    }
                }
            }
            Connections::Sandbox(connection) => {
                let connection = &mut *connection.lock().await;
                // Within the transaction this makes a savepoint. Reads need one too: any failed statement
                // would spoil the whole transaction.
                AnsiTransactionManager::begin_transaction(connection).await?;
                finish(connection, work).await
            }
        }
    }

    pub(super) fn pool_status(&self) -> PoolStatus {
        match &self.connections {
            Connections::Pooled(pool) => pool.status().into(),
            Connections::Sandbox(_) => PoolStatus::SANDBOX,
        }
    }

    pub(super) async fn close(&self) {
        match &self.connections {
            Connections::Pooled(pool) => pool.close(),
            Connections::Sandbox(connection) => {
                let connection = &mut *connection.lock().await;
                match AnsiTransactionManager::rollback_transaction(connection).await {
                    Ok(()) => tracing::info!("all writes were rolled back"),
                    Err(error) => tracing::error!(%error, "the writes could not be rolled back"),
                }
            }
        }
    }
}

/// A transaction that could not begin has done nothing, however its connection was lost.
fn not_begun(error: DieselError) -> Error {
    match Error::from(error) {
        Error::Lost(cause) => Error::Unavailable(cause),
        error => error,
    }
}

/// Runs `work`, then commits, or rolls back what it did before it failed.
async fn finish<T>(connection: &mut AsyncPgConnection, work: Work<T>) -> Result<T> {
    let done = work(&mut Connection::Postgres(connection)).await;
    match done {
        Ok(_) => AnsiTransactionManager::commit_transaction(connection).await?,
        // What went wrong first is what the caller must know.
        Err(_) => {
            if let Err(error) = AnsiTransactionManager::rollback_transaction(connection).await {
                tracing::warn!(%error, "a transaction could not be rolled back");
            }
        }
    }
    done
}

/// Another encoding would refuse texts that SQLite takes, or count their bytes as characters.
async fn require_utf8(connection: &mut AsyncPgConnection) -> Result<(), OpenError> {
    use diesel_async::RunQueryDsl as _;
    let encoding = sql::<Text>("current_setting('server_encoding')");
    let encoding: String = diesel::select(encoding).get_result(connection).await?;
    match encoding.as_str() {
        "UTF8" => Ok(()),
        _ => Err(OpenError::Encoding(encoding)),
    }
}

/// The migration goes on without the extension pg_trgm, and warns where hardly anybody looks.
async fn warn_without_trigrams(connection: &mut AsyncPgConnection) -> Result<(), OpenError> {
    use diesel_async::RunQueryDsl as _;
    let missing = sql::<Bool>(
        "to_regclass('article') IS NOT NULL
            AND (to_regclass('article_title_trigrams') IS NULL OR to_regclass('article_slug_trigrams') IS NULL)",
    );
    if diesel::select(missing).get_result(connection).await? {
        tracing::warn!(
            "contains, startsWith and endsWith read the whole table: without the extension pg_trgm it was migrated \
             without the indexes on trigrams"
        );
    }
    Ok(())
}

fn pool(
    options: &ConnectOptions,
    settings: &DatabaseSettings,
) -> Result<Pool<AsyncPgConnection>, OpenError> {
    let mut config = ManagerConfig::default();
    // The default sends a query each time a connection is taken; this one looks at what is known already.
    config.recycling_method = RecyclingMethod::Fast;
    let options = options.clone();
    config.custom_setup = Box::new(move |_| {
        let options = options.clone();
        async move { options.connect().await }.boxed()
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config("", config))
        .max_size(settings.max_size.get())
        // Those used last are used first, so that few connections stay warm under little load.
        .queue_mode(QueueMode::Lifo)
        .runtime(deadpool::Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: Some(settings.wait_timeout),
            create: Some(settings.connect_timeout),
            recycle: Some(settings.connect_timeout),
        })
        .build()
        .map_err(OpenError::connect)
}

/// Opens `size` connections, and looks after them: where one breaks, another is opened in its place.
async fn keep_warm(pool: &Pool<AsyncPgConnection>, size: usize) -> Result<(), OpenError> {
    const PAUSE: Duration = Duration::from_secs(10);
    fill(pool, size).await.map_err(OpenError::connect)?;
    let pool = pool.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(PAUSE).await;
            let status = pool.status();
            let in_use = status.size - status.available;
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
async fn fill(pool: &Pool<AsyncPgConnection>, count: usize) -> Result<(), DieselPoolError> {
    try_join_all((0..count).map(|_| pool.get())).await.map(drop)
}

/// Migrates under an advisory lock, so that of many servers that start at once one does it.
pub(super) async fn migrate(
    options: &ConnectOptions,
    action: Migrate,
) -> Result<MigrationStatus, OpenError> {
    let mut connection = options.connect().await?;
    require_utf8(&mut connection).await?;
    // Waiting for the lock, and building an index, may take as long as they take.
    connection
        .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        .await?;
    {
        use diesel_async::RunQueryDsl as _;
        diesel::sql_query("SELECT pg_advisory_lock($1)")
            .bind::<BigInt, _>(MIGRATION_LOCK)
            .execute(&mut connection)
            .await?;
    }
    // Diesel's migrations are blocking. The lock is gone with the connection.
    tokio::task::spawn_blocking(move || {
        use diesel::RunQueryDsl as _;
        let mut connection = AsyncConnectionWrapper::<AsyncPgConnection>::from(connection);
        let is_migrated = sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL");
        let is_migrated = diesel::select(is_migrated).get_result(&mut connection)?;
        migrations::migrate(&mut connection, &migrations::POSTGRES, is_migrated, action)
            .map_err(OpenError::Migrate)
    })
    .await
    .map_err(OpenError::connect)?
}

/// Whether a statement was cut off by one of the timeouts that the connections are opened with.
pub(super) fn timed_out(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, info)
        if info.message().contains("statement timeout") || info.message().contains("lock timeout"))
}

/// Whether PostgreSQL ended this transaction because it and another waited for each other.
pub(super) fn deadlocked(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, info) if info.message() == "deadlock detected")
}

/// Whether the connection was lost, or the server is starting or stopping.
pub(super) fn is_unreachable(error: &DieselError) -> bool {
    use diesel::result::DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    match error {
        DieselError::DatabaseError(ClosedConnection | UnableToSendCommand, _)
        | DieselError::BrokenTransactionManager => true,
        DieselError::DatabaseError(_, info) => {
            info.message().contains("terminating connection")
                || info.message().contains("shutting down")
        }
        _ => false,
    }
}
