//! What is specific to PostgreSQL: its pool, its transactions, and the meaning of its errors.

pub(super) mod bulk;
mod check;
mod copy;
mod dialect;
pub(super) mod estimate;
mod fault;
pub(super) mod feed;
pub(super) mod index;
pub(super) mod insert;
mod migrate;
pub(super) mod pending_lists;
mod pool;
mod search;
mod session;
pub(super) mod vector;

use std::pin::pin;
use std::time::Duration;

use diesel::result::Error as DieselError;
use diesel_async::{AnsiTransactionManager, TransactionManager as _};
use tokio::sync::Mutex;

use postgres_connect::{ConnectDefaults, ConnectOptions, PgConnection, UrlError};

pub(super) use self::fault::{fault, prevents_writes};
pub(super) use self::migrate::migrate;
use self::pool::Pool;
use super::connection::{Connection, ErasedResult, Work};
use super::detach_on_drop::Abandoned;
use super::migrations::Migrate;
use super::pool_waits::Waits;
use super::{Access, OpenError, PoolStatus, from_pool};
use crate::error::{Error, Result};
use crate::store::DatabaseSettings;

/// The isolation level is explicit, because a pooler that drops our connection options leaves it to the role or the
/// database.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// All statements see the same snapshot.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How connections to a PostgreSQL database are opened.
///
/// # Errors
/// The URL or one of its parameters is not understood.
pub(super) fn connect_options(
    settings: &DatabaseSettings,
    url: &str,
) -> Result<ConnectOptions, UrlError> {
    ConnectOptions::parse(
        url,
        &ConnectDefaults {
            application_name: Some("broadsheet".to_owned()),
            statement_timeout: Some(settings.statement_timeout),
            lock_timeout: Some(settings.lock_timeout),
            // The program never pauses between the statements of a transaction, so an idle transaction means that its
            // connection is cut off, while its locks block others.
            idle_in_transaction_session_timeout: Some(Duration::from_secs(4)),
            settings: session::SETTINGS,
            connect_timeout: Some(settings.connect_timeout),
            keepalives_idle: Some(Duration::from_secs(30)),
            keepalives_interval: Some(Duration::from_secs(5)),
            keepalives_retries: Some(3),
            tcp_user_timeout: Some(Duration::from_secs(30)),
            root_certificates: None,
        },
    )
}

/// The connections to one database.
pub(super) struct Postgres {
    options: ConnectOptions,
    connections: Connections,
}

enum Connections {
    Pooled {
        pool: Pool,
        waits: Waits,
    },
    /// One connection in a transaction that is rolled back at the end.
    Sandbox(Mutex<PgConnection>),
}

impl Postgres {
    pub(super) async fn open(
        options: &ConnectOptions,
        settings: &DatabaseSettings,
        migrate: bool,
    ) -> Result<Self, OpenError> {
        let mut connection = session::open(options).await?;
        if migrate {
            (connection, _) = migrate::on(connection, Migrate::Up).await?;
        }
        session::warn(&mut connection).await?;
        // Migrating has removed the limits of this connection.
        drop(connection);
        let connections = if settings.force_roll_back {
            Connections::Sandbox(Mutex::new(sandbox(options).await?))
        } else {
            let pool = pool::pool(options, settings)?;
            pool::keep_warm(&pool, settings.min_size).await?;
            let waits = Waits::default();
            Connections::Pooled { pool, waits }
        };
        Ok(Self {
            options: options.clone(),
            connections,
        })
    }

    pub(super) fn describe(&self) -> String {
        self.options.to_string()
    }

    pub(super) async fn run(
        &self,
        access: Access,
        abandoned: &Abandoned,
        work: Work,
    ) -> Result<ErasedResult> {
        match &self.connections {
            Connections::Pooled { pool, waits } => {
                let connection = waits.time(pin!(pool.get())).await;
                let connection = &mut *connection.map_err(from_pool)?;
                abandoned.begin();
                let done = run(connection, access, work).await;
                pool::after_use(pool, connection);
                done
            }
            Connections::Sandbox(connection) => {
                let connection = &mut *connection.lock().await;
                abandoned.begin();
                if connection.is_closed() {
                    tracing::error!("the sandbox has lost its connection, and starts over");
                    // Boxed, because otherwise the work of every request would have room for it.
                    let begun = Box::pin(sandbox(&self.options)).await;
                    *connection = begun.map_err(Error::unavailable)?;
                }
                // Inside the sandbox's transaction this creates a savepoint. Reads need one too: any failed statement
                // would abort the whole transaction.
                AnsiTransactionManager::begin_transaction(connection).await?;
                finish(connection, work).await
            }
        }
    }

    pub(super) fn pool_status(&self) -> Vec<PoolStatus> {
        vec![match &self.connections {
            Connections::Pooled { pool, waits } => PoolStatus::of("postgres", pool.status(), waits),
            Connections::Sandbox(_) => PoolStatus::SANDBOX,
        }]
    }

    pub(super) async fn close(&self) {
        match &self.connections {
            Connections::Pooled { pool, .. } => pool.close(),
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

/// Begins the transaction that stays open.
async fn sandbox(options: &ConnectOptions) -> Result<PgConnection, OpenError> {
    let mut connection = options.connect().await?;
    session::keep_open(&mut connection).await?;
    AnsiTransactionManager::begin_transaction_sql(&mut connection, BEGIN).await?;
    Ok(connection)
}

async fn run(connection: &mut PgConnection, access: Access, work: Work) -> Result<ErasedResult> {
    let begin = match access {
        // Each statement is an implicit transaction, which needs no further round trip.
        Access::Read | Access::Scan | Access::Write => {
            return work(&mut Connection::Postgres(connection)).await;
        }
        Access::Snapshot => BEGIN_SNAPSHOT,
        Access::Transaction | Access::Many | Access::Bulk => BEGIN,
    };
    AnsiTransactionManager::begin_transaction_sql(connection, begin)
        .await
        .map_err(not_begun)?;
    finish(connection, work).await
}

/// A transaction that could not begin has done nothing, even if its connection was lost.
fn not_begun(error: DieselError) -> Error {
    match Error::from(error) {
        Error::Lost(cause) => Error::Unavailable(cause),
        error => error,
    }
}

/// Runs `work`, then commits, or rolls back if it has failed.
async fn finish(connection: &mut PgConnection, work: Work) -> Result<ErasedResult> {
    let done = work(&mut Connection::Postgres(connection)).await;
    match done {
        Ok(_) => AnsiTransactionManager::commit_transaction(connection).await?,
        // A rollback on an unresponsive connection would only make us wait again.
        Err(_) if connection.silent_since().is_some() => {}
        // The caller needs the original error.
        Err(_) => {
            if let Err(error) = AnsiTransactionManager::rollback_transaction(connection).await {
                tracing::warn!(%error, "a transaction could not be rolled back");
            }
        }
    }
    done
}
