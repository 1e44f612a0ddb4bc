//! What is specific to SQLite: its file, its pragmas, one writer and many readers, and the meaning of its errors.

pub(super) mod backup;
pub(super) mod bulk;
mod check;
mod commit;
mod connect;
mod dialect;
pub(super) mod estimate;
mod fault;
pub(super) mod feed;
mod file;
pub(super) mod index;
mod readers;
mod search;
mod time_limit;
mod write_ahead_log;

use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel::{Connection as _, QueryDsl as _, RunQueryDsl as _, SqliteConnection};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use tokio::sync::Mutex;

use self::commit::Writer;
use self::connect::Target;
pub(super) use self::fault::{fault, prevents_writes};
use self::readers::Readers;
use self::time_limit::TimeLimit;
use self::write_ahead_log::Scans;
use super::connection::{ErasedResult, Work, run_on_sqlite};
use super::detach_on_drop::Abandoned;
use super::migrations::{self, Migrate, MigrationStatus};
use super::{Access, OpenError, PoolStatus, statements};
use crate::error::{Error, NoWrites, Result};
use crate::store::{DatabaseSettings, SqliteLocation};

type Async = SyncConnectionWrapper<SqliteConnection>;

/// How long a statement waits for another program's lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections to one database.
pub(super) struct Sqlite {
    target: Target,
    connections: Connections,
    /// The time limit for the statements of a piece of work; zero for none.
    statement_timeout: Duration,
    /// Keeps a database in memory alive, even if all other connections are closed.
    _first: Option<Async>,
    /// When the connections were last closed so that the file is reopened.
    reopened_at: std::sync::Mutex<Option<Instant>>,
}

enum Connections {
    /// SQLite allows one writing connection at a time. With only one writer, waiting for the file's lock, which is not
    /// fair, becomes waiting for a connection, which is.
    Pooled { writer: Writer, readers: Readers },
    /// One connection in a transaction that is rolled back at the end.
    Sandbox(Mutex<Async>),
}

impl Connections {
    async fn open(
        target: &Target,
        settings: &DatabaseSettings,
        migrate: bool,
    ) -> Result<Self, OpenError> {
        if migrate {
            migrate_target(target, Migrate::Up).await?;
        }
        if settings.force_roll_back {
            let mut connection = target.connect(false).await?;
            connection
                .spawn_blocking(|connection| {
                    AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE")
                })
                .await?;
            return Ok(Self::Sandbox(Mutex::new(connection)));
        }
        let wait_timeout = settings.wait_timeout;
        let writer = target.pool(false, 1, wait_timeout)?;
        let readers = target.pool(true, settings.max_size.get(), wait_timeout)?;
        // Opened before the first reader: it may create the file and turn on the write-ahead log.
        drop(writer.get().await.map_err(OpenError::connect)?);
        drop(readers.get().await.map_err(OpenError::connect)?);
        let scans = Scans::default();
        if let Some(path) = target.file() {
            let (path, scans) = (path.to_owned(), Scans::clone(&scans));
            let longest_scan = settings.statement_timeout;
            tokio::spawn(write_ahead_log::keep_small(
                path,
                writer.weak(),
                scans,
                longest_scan,
            ));
        }
        Ok(Self::Pooled {
            writer: Writer::new(writer, settings.statement_timeout),
            readers: Readers::new(readers, settings.statement_timeout, scans),
        })
    }
}

impl Sqlite {
    pub(super) async fn open(
        location: &SqliteLocation,
        settings: &DatabaseSettings,
        migrate: bool,
    ) -> Result<Self, OpenError> {
        let target = Target::of(location);
        let first = match target.file() {
            Some(path) => {
                write_ahead_log::warn_if_missing(path);
                None
            }
            None => Some(target.connect(false).await?),
        };
        let connections = Connections::open(&target, settings, migrate)
            .await
            .map_err(|error| target.explain(error))?;
        Ok(Self {
            target,
            connections,
            statement_timeout: settings.statement_timeout,
            _first: first,
            reopened_at: std::sync::Mutex::default(),
        })
    }

    pub(super) fn describe(&self) -> String {
        self.target.to_string()
    }

    /// Runs `work` to completion, or until its time limit. A read also stops when it is `abandoned`.
    pub(super) async fn run(
        &self,
        access: Access,
        abandoned: &Abandoned,
        work: Work,
    ) -> Result<ErasedResult> {
        match (&self.connections, access) {
            (Connections::Pooled { readers, .. }, Access::Read) => {
                let work = |connection: &mut _| run_on_sqlite(connection, work);
                readers.read(abandoned, work).await
            }
            (Connections::Pooled { readers, .. }, Access::Scan) => {
                let work = |connection: &mut _| run_on_sqlite(connection, work);
                readers.scan(abandoned, work).await
            }
            (Connections::Pooled { readers, .. }, Access::Snapshot) => {
                let work = |connection: &mut SqliteConnection| {
                    connection.transaction(|connection| run_on_sqlite(connection, work))
                };
                readers.scan(abandoned, work).await
            }
            (Connections::Pooled { writer, .. }, Access::Bulk) => writer.write_alone(work).await,
            (
                Connections::Pooled { writer, readers },
                access @ (Access::Write | Access::Transaction | Access::Many),
            ) => {
                let written = match access {
                    Access::Many => writer.write_many(abandoned, work).await,
                    _ => writer.write(abandoned, work).await,
                };
                if let Err(Error::NoWrites {
                    reason: NoWrites::ReadOnly,
                    ..
                }) = written
                    && self.may_reopen()
                {
                    // The first connection of the process to open the file determines what all of them may do.
                    readers.reopen();
                    writer.reopen();
                }
                written
            }
            (Connections::Sandbox(connection), _) => {
                let mut connection = connection.lock().await;
                abandoned.begin();
                let abandoned = match access.writes() {
                    true => Abandoned::default(),
                    false => abandoned.clone(),
                };
                let time = self.statement_timeout;
                let scope = statements::current();
                connection
                    .spawn_blocking(move |connection| {
                        let due = index::due(connection);
                        let work =
                            || connection.transaction(|connection| run_on_sqlite(connection, work));
                        let done = TimeLimit::start(time, abandoned)
                            .run(|| statements::on_thread(scope, work));
                        if let Some(due) = due {
                            due.index(connection);
                        }
                        Ok(done)
                    })
                    .await?
            }
        }
    }

    /// At most once a second, so that reads do not suffer while all writes fail.
    fn may_reopen(&self) -> bool {
        let mut reopened_at = self
            .reopened_at
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let may = reopened_at.is_none_or(|then| then.elapsed() > Duration::from_secs(1));
        if may {
            *reopened_at = Some(Instant::now());
        }
        may
    }

    pub(super) fn pool_status(&self) -> Vec<PoolStatus> {
        match &self.connections {
            Connections::Pooled { readers, writer } => vec![readers.status(), writer.status()],
            Connections::Sandbox(_) => vec![PoolStatus::SANDBOX],
        }
    }

    pub(super) async fn close(&self) {
        let left = match &self.connections {
            Connections::Pooled { writer, readers } => {
                readers.close();
                writer.close().await
            }
            Connections::Sandbox(connection) => {
                let mut connection = connection.lock().await;
                let rolled_back = connection
                    .spawn_blocking(AnsiTransactionManager::rollback_transaction)
                    .await;
                match rolled_back {
                    Ok(()) => tracing::info!("all writes were rolled back"),
                    Err(error) => tracing::error!(%error, "the writes could not be rolled back"),
                }
                connection.spawn_blocking(write_ahead_log::disable).await
            }
        };
        if let Err(error) = left {
            tracing::debug!(%error, "the write-ahead log stays");
        }
    }
}

pub(super) async fn migrate(
    location: &SqliteLocation,
    action: Migrate,
) -> Result<MigrationStatus, OpenError> {
    let target = Target::of(location);
    if let Some(path) = target.file() {
        if action != Migrate::Up {
            file::require(path)?;
        }
        write_ahead_log::warn_if_missing(path);
    }
    let status = migrate_target(&target, action)
        .await
        .map_err(|error| target.explain(error))?;
    let mut connection = target.connect(false).await?;
    if let Err(error) = connection.spawn_blocking(write_ahead_log::disable).await {
        tracing::debug!(%error, "the write-ahead log stays");
    }
    Ok(status)
}

/// Migrates under the database's write lock, so that of many servers that start at the same time one does it.
async fn migrate_target(target: &Target, action: Migrate) -> Result<MigrationStatus, OpenError> {
    let target = target.clone();
    let migrated = tokio::task::spawn_blocking(move || {
        let mut connection = target.establish()?;
        if action == Migrate::Up
            && let Some(status) = nothing_to_do(&mut connection)
        {
            return Ok(status);
        }
        connection.immediate_transaction(|connection| {
            let is_migrated = diesel::select(sql::<Bool>(
                "EXISTS (SELECT 1 FROM sqlite_master WHERE name = '__diesel_schema_migrations')",
            ))
            .get_result(connection)?;
            migrations::migrate(connection, &migrations::SQLITE, is_migrated, action)
                .map_err(OpenError::Migrate)
        })
    });
    migrated.await.map_err(OpenError::connect)?
}

/// The migrations of the file, if none is pending: this writes nothing, so that a read-only file can be opened.
fn nothing_to_do(connection: &mut SqliteConnection) -> Option<MigrationStatus> {
    use super::sql::tables::migration;
    let known = migrations::known::<diesel::sqlite::Sqlite>(&migrations::SQLITE).ok()?;
    let applied = migration::table.select(migration::version).load(connection);
    let status = MigrationStatus::compare(&known, applied.ok()?);
    (status.pending.is_empty() && status.unknown.is_empty()).then_some(status)
}
