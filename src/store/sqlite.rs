//! All that only SQLite does: its file, its pragmas, one writer and many readers, and what its errors mean.

mod commit;
mod dialect;
mod fault;
pub(super) mod feed;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deadpool::managed::Timeouts;
use diesel::connection::SimpleConnection as _;
use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use diesel::sql_types::Text;
use diesel::{
    Connection as _, ConnectionError, QueryDsl as _, QueryResult, RunQueryDsl as _,
    SqliteConnection,
};
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use futures_util::FutureExt as _;
use tempfile::TempDir;
use tokio::sync::Mutex;

use self::commit::Writer;
pub(super) use self::fault::{fault, keeps_from_writing};
use super::connection::{Work, run_on_sqlite};
use super::migrations::{self, Migrate, MigrationStatus};
use super::{Access, Fault, OpenError, PoolStatus, from_pool};
use crate::config::{DatabaseSettings, SqliteLocation};
use crate::error::{Error, NoWrites, Result};

type Async = SyncConnectionWrapper<SqliteConnection>;

/// How long a statement waits for another program's lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

diesel::define_sql_function! {
    /// Whether the text, in Unicode's full lower case, has this part.
    fn contains_ignoring_case(text: Text, part: Text) -> Bool;
}
diesel::define_sql_function! {
    fn starts_with_ignoring_case(text: Text, part: Text) -> Bool;
}
diesel::define_sql_function! {
    fn ends_with_ignoring_case(text: Text, part: Text) -> Bool;
}

/// The connections to one file.
pub(super) struct Sqlite {
    path: PathBuf,
    connections: Connections,
    /// When the connections were last closed so that the file is opened anew.
    reopened_at: std::sync::Mutex<Option<Instant>>,
    /// Holds the file of `sqlite::memory:`, and removes it in the end.
    _temporary: Option<TempDir>,
}

enum Connections {
    /// SQLite lets one connection write at a time. That there is only one writer turns waiting for the
    /// file's lock, which is not fair, into waiting for a connection, which is.
    Pooled {
        writer: Writer,
        readers: Pool<Async>,
    },
    /// One connection in a transaction that is rolled back in the end.
    Sandbox(Mutex<Async>),
}

impl Sqlite {
    pub(super) async fn open(
        location: &SqliteLocation,
        settings: &DatabaseSettings,
        migrate: bool,
    ) -> Result<Self, OpenError> {
        let (path, temporary) = locate(location)?;
        if migrate {
            migrate_file(&path, Migrate::Up).await?;
        }
        let connections = if settings.force_roll_back {
            let mut connection = connect(&path, false).await?;
            connection
                .spawn_blocking(|connection| {
                    AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE")
                })
                .await?;
            Connections::Sandbox(Mutex::new(connection))
        } else {
            let writer = pool(&path, false, 1, settings)?;
            let readers = pool(&path, true, settings.max_size.get(), settings)?;
            // Opened before the first reader: it is the one that may create the file and turn on the log.
            drop(writer.get().await.map_err(OpenError::connect)?);
            drop(readers.get().await.map_err(OpenError::connect)?);
            let writer = Writer::new(writer);
            Connections::Pooled { writer, readers }
        };
        Ok(Self {
            path,
            connections,
            reopened_at: std::sync::Mutex::default(),
            _temporary: temporary,
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    pub(super) async fn run<T: Send + 'static>(&self, access: Access, work: Work<T>) -> Result<T> {
        match (&self.connections, access) {
            (Connections::Pooled { readers, .. }, Access::Read) => {
                run(readers, |connection| run_on_sqlite(connection, work)).await
            }
            (Connections::Pooled { readers, .. }, Access::Snapshot) => {
                run(readers, |connection| {
                    connection.transaction(|connection| run_on_sqlite(connection, work))
                })
                .await
            }
            (Connections::Pooled { writer, readers }, Access::Write | Access::Transaction) => {
                let written = writer.write(work).await;
                if let Err(Error::NoWrites {
                    reason: NoWrites::ReadOnly,
                    ..
                }) = written
                    && self.may_reopen()
                {
                    // What a connection may do is decided when the first of the process opens the file.
                    readers.retain(|_, _| false);
                    writer.reopen();
                }
                written
            }
            (Connections::Sandbox(connection), _) => {
                let mut connection = connection.lock().await;
                connection
                    .spawn_blocking(|connection| {
                        Ok(connection.transaction(|connection| run_on_sqlite(connection, work)))
                    })
                    .await?
            }
        }
    }

    /// Once a second at most, so that reading does not suffer where all writes are refused.
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

    pub(super) fn pool_status(&self) -> PoolStatus {
        match &self.connections {
            Connections::Pooled { readers, .. } => readers.status().into(),
            Connections::Sandbox(_) => PoolStatus::SANDBOX,
        }
    }

    pub(super) async fn close(&self) {
        match &self.connections {
            Connections::Pooled { writer, readers } => {
                readers.close();
                writer.close();
            }
            Connections::Sandbox(connection) => {
                let rolled_back = connection
                    .lock()
                    .await
                    .spawn_blocking(AnsiTransactionManager::rollback_transaction)
                    .await;
                match rolled_back {
                    Ok(()) => tracing::info!("all writes were rolled back"),
                    Err(error) => tracing::error!(%error, "the writes could not be rolled back"),
                }
            }
        }
    }
}

async fn run<T: Send + 'static>(
    pool: &Pool<Async>,
    work: impl FnOnce(&mut SqliteConnection) -> Result<T> + Send + 'static,
) -> Result<T> {
    let mut connection = pool.get().await.map_err(from_pool)?;
    connection
        .spawn_blocking(move |connection| Ok(work(connection)))
        .await?
}

fn pool(
    path: &Path,
    query_only: bool,
    size: usize,
    settings: &DatabaseSettings,
) -> Result<Pool<Async>, OpenError> {
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    let path = path.to_owned();
    config.custom_setup = Box::new(move |_| {
        let path = path.clone();
        async move { connect(&path, query_only).await }.boxed()
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config("", config))
        .max_size(size)
        .runtime(deadpool::Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: Some(settings.wait_timeout),
            create: Some(BUSY_TIMEOUT * 2),
            recycle: None,
        })
        .build()
        .map_err(OpenError::connect)
}

async fn connect(path: &Path, query_only: bool) -> Result<Async, ConnectionError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut connection = establish(&path)?;
        if query_only {
            connection
                .batch_execute("PRAGMA query_only = ON")
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(Async::new(connection))
    })
    .await
    .map_err(|error| ConnectionError::BadConnection(error.to_string()))?
}

/// Opens the file, or creates it.
fn establish(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    let name = path
        .to_str()
        .ok_or_else(|| ConnectionError::BadConnection("the path is not UTF-8".to_owned()))?;
    let mut connection = SqliteConnection::establish(name)?;
    set_up(&mut connection).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// The order matters: without the timeout first, the change to the write-ahead log fails as soon as another
/// server opens the file at the same moment. `FULL` lets what was acknowledged survive a power cut.
fn set_up(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {}",
        BUSY_TIMEOUT.as_millis()
    ))?;
    use_write_ahead_log(connection)?;
    connection.batch_execute(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
         PRAGMA cache_size = -8192",
    )?;
    contains_ignoring_case_utils::register_impl(connection, |text: String, part: String| {
        text.to_lowercase().contains(&part)
    })?;
    starts_with_ignoring_case_utils::register_impl(connection, |text: String, part: String| {
        text.to_lowercase().starts_with(&part)
    })?;
    ends_with_ignoring_case_utils::register_impl(connection, |text: String, part: String| {
        text.to_lowercase().ends_with(&part)
    })
}

/// SQLite does not heed its own busy timeout where two connections change a new file to the log at once.
fn use_write_ahead_log(connection: &mut SqliteConnection) -> QueryResult<()> {
    let began = Instant::now();
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(error)
                if fault(&error) == Some(Fault::Unreachable) && began.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

/// Where the file is; that of `sqlite::memory:` is a temporary one, because a database in memory belongs to one
/// connection only.
fn locate(location: &SqliteLocation) -> Result<(PathBuf, Option<TempDir>), OpenError> {
    match location {
        SqliteLocation::File(path) => Ok((path.clone(), None)),
        SqliteLocation::Memory => {
            let directory = tempfile::Builder::new()
                .prefix("broadsheet-")
                .tempdir()
                .map_err(OpenError::connect)?;
            Ok((directory.path().join("memory.db"), Some(directory)))
        }
    }
}

pub(super) async fn migrate(
    location: &SqliteLocation,
    action: Migrate,
) -> Result<MigrationStatus, OpenError> {
    let (path, _temporary) = locate(location)?;
    migrate_file(&path, action).await
}

/// Migrates the file under its write lock, so that of many servers that start at once one does it.
async fn migrate_file(path: &Path, action: Migrate) -> Result<MigrationStatus, OpenError> {
    let path = path.to_owned();
    let migrated = tokio::task::spawn_blocking(move || {
        let mut connection = establish(&path)?;
        if action == Migrate::Up
            && let Some(status) = nothing_to_do(&mut connection)
        {
            return Ok(status);
        }
        connection.immediate_transaction(|connection| {
            migrations::migrate(connection, &migrations::SQLITE, action).map_err(OpenError::Migrate)
        })
    });
    migrated.await.map_err(OpenError::connect)?
}

/// The migrations that the file has, where none is pending: nothing is written then, so that a file that takes no writes
/// can be read.
fn nothing_to_do(connection: &mut SqliteConnection) -> Option<MigrationStatus> {
    use super::schema::migration;
    let known = migrations::known::<diesel::sqlite::Sqlite>(&migrations::SQLITE).ok()?;
    let applied = migration::table.select(migration::version).load(connection);
    let status = MigrationStatus::compare(&known, applied.ok()?);
    (status.pending.is_empty() && status.unknown.is_empty()).then_some(status)
}
