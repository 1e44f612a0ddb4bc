//! Keeps the words of the search index up to date with the articles.
//!
//! A server's own writes include the words. Rows that other programs write, and rows from before the server computed
//! words, are indexed by a background task of the server: in small transactions, newest first, with pauses, while other
//! requests read and write.

mod due;
mod progress;

use std::time::Duration;

use diesel::dsl::{max, min};
use diesel::{QueryDsl as _, select};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::progress::LogState;
pub use self::progress::{Indexing, Progress};
use super::connection::{Connection, run};
use super::sql::tables::{search_due, search_index};
use super::sqlite::index::segments::MergePart;
use super::{Access, Database, Store, postgres, sqlite};
use crate::error::{Error, Result};
use search_words::RULES_VERSION;

/// The version of the word rules, as the databases store it.
pub(super) const STORED_RULES: i32 = RULES_VERSION.cast_signed();

/// The maximum number of articles, and bytes of their texts, per transaction.
pub(super) const MAX_ARTICLES: i64 = 200;
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How long rows of other programs may go unnoticed. A check costs a round trip on PostgreSQL.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// How often orphaned parts of texts are removed.
const REMOVAL_INTERVAL: Duration = Duration::from_mins(10);

/// The number of articles that must be due before this is logged.
const MANY: i64 = 1_000;

/// The size of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) articles: i64,
    pub(super) bytes: usize,
    /// Whether these articles are skipped, because the database does not accept the words of one.
    pub(super) is_skipped: bool,
}

impl Batch {
    const MAX: Self = Self {
        articles: MAX_ARTICLES,
        bytes: MAX_BYTES,
        is_skipped: false,
    };

    /// The next batch after a failure: the statement may have exceeded its time limit, or the database may not accept
    /// one article's row, which must not delay the others.
    fn after(self, error: &Error) -> Option<Self> {
        match (self.articles, error) {
            (2.., _) => Some(Self {
                articles: self.articles / 2,
                bytes: self.bytes / 2,
                is_skipped: false,
            }),
            (_, Error::Internal(_)) if !self.is_skipped => Some(Self {
                is_skipped: true,
                ..self
            }),
            _ => None,
        }
    }

    fn doubled(self) -> Self {
        Self {
            articles: Self::MAX.articles.min(self.articles * 2),
            bytes: Self::MAX.bytes.min(self.bytes * 2),
            is_skipped: false,
        }
    }
}

/// What the background task remembers between its transactions.
struct Maintenance {
    batch: Batch,
    /// What is left to merge.
    merge: Option<MergePart>,
    log_state: LogState,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            batch: Batch::MAX,
            merge: None,
            log_state: LogState::default(),
        }
    }
}

/// The result of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexedBatch {
    pub(super) indexed: usize,
}

/// The work that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    /// The approximate number of articles that were written without their words.
    due: i64,
    /// All articles have been indexed.
    is_complete: bool,
    progress: Progress,
}

impl Work {
    fn is_left(self) -> bool {
        self.due > 0 || !self.is_complete
    }

    /// `None` where it takes only seconds.
    fn indexing(self) -> Option<Indexing> {
        match self {
            Self {
                is_complete: false,
                progress,
                ..
            } => Some(Indexing::All(progress)),
            Self { due: MANY.., .. } => Some(Indexing::Due(self.due)),
            _ => None,
        }
    }
}

impl Store {
    /// The progress of the servers' indexing; `None` where there is little or nothing to index.
    ///
    /// # Errors
    /// The database does not answer, or lacks the migration.
    pub async fn indexing(&self) -> Result<Option<Indexing>> {
        Ok(self.pending_words().await?.indexing())
    }

    /// Whether the search finds everything that was written.
    ///
    /// # Errors
    /// As [`indexing`](Self::indexing).
    pub async fn words_are_up_to_date(&self) -> Result<bool> {
        Ok(!self.pending_words().await?.is_left())
    }

    /// Starts the task that keeps the index up to date. It ends when the store is closed or `stop` is cancelled.
    pub(crate) fn maintain_words(&self, stop: CancellationToken) {
        let store = self.clone();
        let keep = async move {
            let mut removed_at = Instant::now();
            let mut maintenance = Maintenance::default();
            loop {
                let pause = store.maintain_once(&mut maintenance).await;
                tokio::time::sleep(pause).await;
                if removed_at.elapsed() > REMOVAL_INTERVAL {
                    removed_at = Instant::now();
                    if let Err(error) = store.remove_old_parts().await {
                        tracing::debug!(%error, "old parts of texts were not removed");
                    }
                }
            }
        };
        tokio::spawn(stop.run_until_cancelled_owned(keep));
    }

    /// Does one transaction's work, if there is any; returns how long to wait before the next.
    async fn maintain_once(&self, maintenance: &mut Maintenance) -> Duration {
        let Maintenance {
            batch,
            merge,
            log_state,
        } = maintenance;
        let began = Instant::now();
        let between_looks = match self.0.database {
            Database::Postgres(_) => CHECK_INTERVAL,
            Database::Sqlite(_) => FILE_CHECK_INTERVAL,
        };
        let indexing = async {
            let work = self.pending_words().await?;
            log_state.progress(work.indexing());
            if !work.is_complete && matches!(self.0.database, Database::Sqlite(_)) {
                *merge = Some(MergePart::First);
            }
            if work.is_left() {
                let IndexedBatch { indexed } = self.compute_words(*batch).await?;
                return Ok(indexed > 0);
            }
            let Some(part) = merge.take() else {
                return Ok(false);
            };
            match self.merge_some(part).await {
                Ok(next) => *merge = next,
                // Not retried like a batch, which becomes smaller with each failure.
                Err(error) => {
                    tracing::warn!(%error, "searches are slower until `broadsheet reindex` merges the index");
                }
            }
            Ok(true)
        };
        match indexing.await {
            Ok(has_worked) => {
                log_state.failed = false;
                *batch = batch.doubled();
                match has_worked {
                    false => between_looks,
                    // Pauses as long as the work took, which leaves half of the time to others.
                    true => began.elapsed().min(between_looks),
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut log_state.failed, true) {
                    tracing::warn!(%error, "articles could not be indexed for the search; retrying");
                }
                match batch.after(&error) {
                    Some(smaller) => {
                        *batch = smaller;
                        CHECK_INTERVAL / 10
                    }
                    None => CHECK_INTERVAL,
                }
            }
        }
    }

    /// Computes the words of all articles again, and reports the progress to `report`.
    ///
    /// # Errors
    /// The database does not answer, or takes no writes.
    pub async fn reindex(&self, mut report: impl FnMut(Progress)) -> Result<Progress> {
        self.run_in_task(Access::Transaction, |connection| {
            Box::pin(async move {
                match connection {
                    Connection::Postgres(connection) => postgres::index::begin(connection).await?,
                    Connection::Sqlite(connection) => sqlite::index::begin(connection)?,
                }
                Ok(())
            })
        })
        .await?;
        let mut batch = Batch::MAX;
        loop {
            let work = self.pending_words().await?;
            if !work.is_left() {
                self.remove_old_parts().await?;
                self.merge_segments().await?;
                return Ok(work.progress);
            }
            report(work.progress);
            let began = Instant::now();
            let pause = match self.compute_words(batch).await {
                // A server is doing it.
                Ok(IndexedBatch { indexed: 0 }) => Duration::from_millis(100),
                Ok(_) => {
                    batch = batch.doubled();
                    began.elapsed() / 4
                }
                Err(error) => {
                    batch = batch.after(&error).ok_or(error)?;
                    began.elapsed()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn pending_words(&self) -> Result<Work> {
        self.run_in_task(Access::Read, |connection| {
            Box::pin(async move {
                // The two ends of the primary key's index; counting would read all of it.
                let (first, last): (Option<i64>, Option<i64>) = run!(connection, |c| select((
                    search_due::table
                        .select(min(search_due::position))
                        .single_value(),
                    search_due::table
                        .select(max(search_due::position))
                        .single_value(),
                ))
                .get_result(c))?;
                let (rules, is_complete, done, total): (i32, bool, i64, i64) =
                    run!(connection, |c| search_index::table
                        .select((
                            search_index::rules,
                            search_index::is_complete,
                            search_index::done,
                            search_index::total,
                        ))
                        .first(c))?;
                Ok(Work {
                    due: first.zip(last).map_or(0, |(first, last)| last - first + 1),
                    is_complete: is_complete && rules >= STORED_RULES,
                    progress: Progress { done, total },
                })
            })
        })
        .await
    }

    async fn compute_words(&self, batch: Batch) -> Result<IndexedBatch> {
        self.run_in_task(Access::Transaction, move |connection| {
            Box::pin(async move {
                match connection {
                    Connection::Postgres(connection) => {
                        postgres::index::index_batch(connection, batch).await
                    }
                    Connection::Sqlite(connection) => sqlite::index::index_batch(connection, batch),
                }
            })
        })
        .await
    }

    async fn remove_old_parts(&self) -> Result<()> {
        self.run_in_task(Access::Write, |connection| {
            Box::pin(async move {
                if let Connection::Postgres(connection) = connection {
                    postgres::index::remove_old_parts(connection).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
