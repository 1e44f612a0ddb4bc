//! The storage of articles: one [`Store`] over SQLite or PostgreSQL.
//!
//! The store's methods are in `store/articles.rs` (reads) and `store/writes.rs`. Each statement is written once; what
//! is specific to one database is in `store/sqlite.rs` or `store/postgres.rs`. Nothing outside this folder uses Diesel.

mod articles;
mod availability;
pub mod backup;
mod bulk_creates;
mod changes;
mod check;
mod connection;
mod creates;
mod data_loss;
mod database_url;
mod detach_on_drop;
mod drafts;
mod estimates;
mod export;
mod fault;
pub mod idempotency;
pub mod import;
mod indexing;
mod lookups;
mod migrations;
mod open_error;
mod pages;
mod pool_status;
mod pool_waits;
pub mod postgres;
mod searched;
pub mod settings;
mod slugs;
mod sql;
mod sqlite;
mod statements;
mod writability;
mod write_queue;
mod writes;

use std::sync::{Arc, Weak};
use std::time::Duration;

use diesel::QueryDsl as _;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::availability::Availability;
pub use self::changes::{ChangesAfter, ChangesPage, FeedLag, FeedState};
pub use self::check::{Checked, Finding, WordsCheck};
use self::connection::{ErasedResult, Work, boxed, run, unboxed};
use self::creates::Creates;
pub use self::data_loss::Loss;
pub use self::database_url::{DatabaseUrl, DatabaseUrlError, SqliteLocation};
use self::detach_on_drop::{Abandoned, DetachOnDrop};
use self::estimates::Estimates;
use self::fault::{Fault, from_pool};
pub use self::indexing::{Indexing, Progress};
use self::lookups::Lookups;
pub use self::migrations::{Migrate, MigrationError, MigrationStatus};
pub(crate) use self::open_error::Cause;
pub use self::open_error::OpenError;
use self::open_error::chain;
pub use self::pool_status::PoolStatus;
pub use self::pool_waits::WaitCounts;
use self::postgres::Postgres;
use self::postgres::pending_lists::PendingLists;
pub use self::settings::DatabaseSettings;
use self::sqlite::Sqlite;
pub use self::statements::{RecordedStatement, SlowStatement, Statements};
use self::writability::Writability;
use crate::clock::Clock;
use crate::error::{Error, Result};
use coalesce::Counts;

/// The articles and the connections to the database. Clones share both.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Clock,
    lookups: Lookups,
    creates: Creates,
    estimates: Arc<Estimates>,
    pending_lists: PendingLists,
    /// The work under way, which [`Store::close`] waits for.
    tasks: TaskTracker,
    /// Marked as changed after each write.
    written: watch::Sender<()>,
    writability: Writability,
    availability: Availability,
    closing: CancellationToken,
}

enum Database {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

/// What a piece of work does, which determines its connection and transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Independent statements that read.
    Read,
    /// A statement that reads, and may look at many articles.
    Scan,
    /// Statements that read from the same snapshot.
    Snapshot,
    /// Statements that write, each of which may be its own transaction.
    Write,
    /// Statements that are all executed or none.
    Transaction,
    /// Like [`Transaction`](Self::Transaction), for many articles: on SQLite it does not share its transaction.
    Many,
    /// Like [`Many`](Self::Many), and on SQLite the articles' words are indexed later.
    Bulk,
}

impl Access {
    /// Whether the work may write.
    fn writes(self) -> bool {
        match self {
            Self::Read | Self::Scan | Self::Snapshot => false,
            Self::Write | Self::Transaction | Self::Many | Self::Bulk => true,
        }
    }
}

impl Store {
    /// Connects, retrying with growing pauses while the database is unavailable (up to
    /// [`DatabaseSettings::start_timeout`]), and applies pending migrations where `migrate` says so.
    ///
    /// # Errors
    /// The URL is invalid, the database was not available in time, a migration failed, or the database is newer than
    /// this binary.
    pub async fn open(
        settings: &DatabaseSettings,
        clock: Clock,
        migrate: bool,
    ) -> Result<Self, OpenError> {
        let open = || Database::open(settings, migrate);
        let database = retry_until(settings.start_timeout, open).await?;
        let store = Self(Arc::new_cyclic(|store| Inner {
            database,
            clock,
            lookups: lookups::lookups(Weak::clone(store)),
            creates: Creates::new(settings.wait_timeout),
            estimates: Arc::default(),
            pending_lists: PendingLists::default(),
            tasks: TaskTracker::new(),
            written: watch::Sender::new(()),
            writability: Writability::default(),
            availability: Availability::default(),
            closing: CancellationToken::new(),
        }));
        store.0.availability.watch(Arc::downgrade(&store.0));
        match store.migration_status().await {
            Ok(status) if !status.unknown.is_empty() => {
                store.close().await;
                Err(MigrationError::NewerDatabase(status.unknown).into())
            }
            // Without its table of migrations the database is not ready, which the health check reports.
            _ => Ok(store),
        }
    }

    /// The database as a URL without a password.
    pub fn describe(&self) -> String {
        match &self.0.database {
            Database::Postgres(postgres) => postgres.describe(),
            Database::Sqlite(sqlite) => sqlite.describe(),
        }
    }

    /// The migrations that the database has; also used to check that it answers.
    ///
    /// # Errors
    /// The database does not answer, or has never been migrated.
    pub async fn migration_status(&self) -> Result<MigrationStatus> {
        use self::sql::tables::migration;
        let applied = self
            .run(Access::Read, |connection| {
                Box::pin(async move {
                    Ok(run!(connection, |c| migration::table
                        .select(migration::version)
                        .load(c))?)
                })
            })
            .await?;
        let known = match &self.0.database {
            Database::Postgres(_) => migrations::known::<diesel::pg::Pg>(&migrations::POSTGRES),
            Database::Sqlite(_) => migrations::known::<diesel::sqlite::Sqlite>(&migrations::SQLITE),
        };
        Ok(MigrationStatus::compare(
            &known.map_err(Error::internal)?,
            applied,
        ))
    }

    /// How many lookups of single articles shared a statement.
    pub fn shared_lookups(&self) -> Counts {
        self.0.lookups.counts()
    }

    /// The status of the connection pools; on SQLite of the readers and of the writer.
    pub fn pool_status(&self) -> Vec<PoolStatus> {
        match &self.0.database {
            Database::Postgres(postgres) => postgres.pool_status(),
            Database::Sqlite(sqlite) => sqlite.pool_status(),
        }
    }

    /// Waits for the writes under way, then closes the connections.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        match &self.0.database {
            Database::Postgres(postgres) => postgres.close().await,
            Database::Sqlite(sqlite) => sqlite.close().await,
        }
    }

    /// Cancelled when the store is closed.
    pub fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Runs work on a connection to completion, and wakes the feed if it may have written. Poll the future without
    /// pause, or drop it: a read on SQLite then ends early.
    async fn run<T: Send + 'static>(
        &self,
        access: Access,
        work: impl for<'a, 'c> FnOnce(
            &'a mut connection::Connection<'c>,
        ) -> futures_util::future::BoxFuture<'a, Result<T>>
        + Send
        + 'static,
    ) -> Result<T> {
        unboxed(self.run_boxed(access, boxed(work)).await?)
    }

    async fn run_boxed(&self, access: Access, work: Work) -> Result<ErasedResult> {
        let inner = Arc::clone(&self.0);
        let abandoned = Abandoned::default();
        let noticed = abandoned.clone();
        let work = self.0.tasks.track_future(async move {
            let done = inner.run(access, &noticed, work).await;
            let done = inner.writability.after(access, done);
            // Even after a failure: each statement of a write may have been its own transaction.
            if access.writes() {
                inner.written.send_replace(());
            }
            done
        });
        DetachOnDrop::new(work, abandoned).await
    }

    /// Like [`run`](Self::run), for work that changes no article, in its own task: a subscription is polled only while
    /// its client reads, and must not hold a connection in the meantime.
    async fn run_in_task<T: Send + 'static>(
        &self,
        access: Access,
        work: impl for<'a, 'c> FnOnce(
            &'a mut connection::Connection<'c>,
        ) -> futures_util::future::BoxFuture<'a, Result<T>>
        + Send
        + 'static,
    ) -> Result<T> {
        unboxed(self.run_boxed_in_task(access, boxed(work)).await?)
    }

    async fn run_boxed_in_task(&self, access: Access, work: Work) -> Result<ErasedResult> {
        let inner = Arc::clone(&self.0);
        let work = async move {
            let never = Abandoned::default();
            inner.run(access, &never, work).await
        };
        self.0.tasks.spawn(work).await.map_err(Error::internal)?
    }
}

impl Inner {
    async fn run(&self, access: Access, abandoned: &Abandoned, work: Work) -> Result<ErasedResult> {
        let done = match &self.database {
            Database::Postgres(postgres) => postgres.run(access, abandoned, work).await,
            Database::Sqlite(sqlite) => sqlite.run(access, abandoned, work).await,
        };
        self.availability.learn(&done);
        done
    }
}

impl Database {
    async fn open(settings: &DatabaseSettings, migrate: bool) -> Result<Self, OpenError> {
        Ok(match &settings.url {
            DatabaseUrl::Postgres(url) => {
                let options = postgres::connect_options(settings, url)?;
                Self::Postgres(Postgres::open(&options, settings, migrate).await?)
            }
            DatabaseUrl::Sqlite(location) => {
                Self::Sqlite(Sqlite::open(location, settings, migrate).await?)
            }
        })
    }
}

/// Applies or reverts the migrations of a database, or returns which it has.
///
/// # Errors
/// As [`Store::open`]; it does not wait for an unavailable database.
pub async fn migrate(
    settings: &DatabaseSettings,
    action: Migrate,
) -> Result<MigrationStatus, OpenError> {
    match &settings.url {
        DatabaseUrl::Postgres(url) => {
            postgres::migrate(&postgres::connect_options(settings, url)?, action).await
        }
        DatabaseUrl::Sqlite(location) => sqlite::migrate(location, action).await,
    }
}

/// Retries until it succeeds, fails permanently, or the time is over.
async fn retry_until<T, F>(timeout: Duration, attempt: impl Fn() -> F) -> Result<T, OpenError>
where
    F: Future<Output = Result<T, OpenError>>,
{
    const MAX_PAUSE: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(100);
    loop {
        match attempt().await {
            Err(error @ OpenError::Connect(_)) if Instant::now() + pause < deadline => {
                tracing::warn!(%error, retry_in_ms = pause.as_millis(), "waiting for the database");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
            done => return done,
        }
    }
}
