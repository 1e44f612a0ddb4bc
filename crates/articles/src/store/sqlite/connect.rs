//! How the connections to an SQLite database are opened.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{QueueMode, Timeouts};
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::{Connection as _, ConnectionError, QueryResult, SqliteConnection};
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use futures_util::FutureExt as _;

use super::fault::{fault, is_busy};
use super::time_limit::{self, WithinTimeLimit};
use super::{Async, BUSY_TIMEOUT, file, write_ahead_log};
use crate::article::filter::fold_case;
use crate::store::SqliteLocation;
use crate::store::sql::stored::StoredText;
use crate::store::statements::StatementTimer;
use crate::store::{Fault, OpenError};

diesel::define_sql_function! {
    /// Whether the text contains the part, ignoring case. The part is already folded.
    fn contains_ignoring_case(text: Text, part: Text) -> Bool;
}
diesel::define_sql_function! {
    fn starts_with_ignoring_case(text: Text, part: Text) -> Bool;
}
diesel::define_sql_function! {
    fn ends_with_ignoring_case(text: Text, part: Text) -> Bool;
}

/// What the connections are opened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    File(PathBuf),
    /// The name of a database in memory, which exists until the last connection to it is closed.
    Memory(String),
}

impl Target {
    pub(super) fn of(location: &SqliteLocation) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        match location {
            SqliteLocation::File(path) => Self::File(path.clone()),
            SqliteLocation::Memory => {
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                // SQLite shares a memdb whose name begins with a slash between the connections of the process.
                Self::Memory(format!("file:/broadsheet-{number}?vfs=memdb"))
            }
        }
    }

    /// The file, where there is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Memory(_) => None,
        }
    }

    /// A permanent error where the file has a problem; otherwise the original error.
    pub(super) fn explain(&self, error: OpenError) -> OpenError {
        match self {
            Self::File(path) => file::explain(error, path),
            Self::Memory(_) => error,
        }
    }

    /// Opens the database, or creates it.
    pub(super) fn establish(&self) -> Result<SqliteConnection, ConnectionError> {
        let name = match self {
            Self::File(path) => path.to_str().ok_or_else(|| {
                ConnectionError::BadConnection("the path is not UTF-8".to_owned())
            })?,
            Self::Memory(name) => name,
        };
        let mut connection = SqliteConnection::establish(name)?;
        set_up(&mut connection).map_err(ConnectionError::CouldntSetupConfiguration)?;
        connection.set_instrumentation(StatementTimer::default());
        Ok(connection)
    }

    pub(super) async fn connect(&self, query_only: bool) -> Result<Async, ConnectionError> {
        let target = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut connection = target.establish()?;
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

    pub(super) fn pool(
        &self,
        query_only: bool,
        size: usize,
        wait_timeout: Duration,
    ) -> Result<Pool<Async>, OpenError> {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        let target = self.clone();
        config.custom_setup = Box::new(move |_| {
            let target = target.clone();
            async move { target.connect(query_only).await }.boxed()
        });
        Pool::builder(AsyncDieselConnectionManager::new_with_config("", config))
            .max_size(size)
            // The connection that was used last has the pages in its cache, and the processor has that cache in its own.
            .queue_mode(QueueMode::Lifo)
            .runtime(deadpool::Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(wait_timeout),
                create: Some(BUSY_TIMEOUT * 2),
                recycle: None,
            })
            .build()
            .map_err(OpenError::connect)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Memory(_) => f.write_str("sqlite::memory:"),
        }
    }
}

/// The order matters: without the timeout set first, switching to the write-ahead log fails if another server opens the
/// file at the same moment. `FULL` lets acknowledged writes survive a power failure.
fn set_up(connection: &mut SqliteConnection) -> QueryResult<()> {
    write_ahead_log::wait_for_locks(connection, BUSY_TIMEOUT)?;
    use_write_ahead_log(connection)?;
    connection.batch_execute(&format!(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
         PRAGMA cache_size = -8192; PRAGMA journal_size_limit = {}",
        write_ahead_log::SMALL
    ))?;
    time_limit::register(connection)?;
    contains_ignoring_case_utils::register_impl(connection, |text: StoredText, part: String| {
        WithinTimeLimit(fold_case(&text.shown).contains(&part))
    })?;
    starts_with_ignoring_case_utils::register_impl(
        connection,
        |text: StoredText, part: String| WithinTimeLimit(fold_case(&text.shown).starts_with(&part)),
    )?;
    ends_with_ignoring_case_utils::register_impl(connection, |text: StoredText, part: String| {
        WithinTimeLimit(fold_case(&text.shown).ends_with(&part))
    })
}

/// SQLite ignores its own busy timeout where two connections switch a new file to the log at the same time.
fn use_write_ahead_log(connection: &mut SqliteConnection) -> QueryResult<()> {
    let began = std::time::Instant::now();
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(error) if is_busy(&error) && began.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(10));
            }
            // A read-only file is read as it is.
            Err(error) if matches!(fault(&error), Some(Fault::NoWrites(_))) => return Ok(()),
            done => return done,
        }
    }
}
