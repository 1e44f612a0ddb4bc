//! Keeping the words that articles are found by in step with the articles.
//!
//! A server's own writes bring the words with them. What other programs write, and what was there before the server
//! made the words, a task of the server goes through in the background: in small transactions, newest first, with
//! pauses, while others read and write.

mod due;

use std::time::Duration;

use diesel::dsl::{max, min};
use diesel::{QueryDsl as _, select};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, run};
use super::sql::tables::{search_due, search_index};
use super::{Access, Database, Store, postgres, sqlite};
use crate::error::{Error, Result};
use search_words::RULES_VERSION;

/// The version of the rules of words, as the databases keep it.
pub(super) const STORED_RULES: i32 = RULES_VERSION.cast_signed();

/// How many articles, and bytes of their texts, a transaction goes through.
pub(super) const MOST_ARTICLES: i64 = 200;
pub(super) const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How long what another program has written may go unnoticed. A look costs a round trip on PostgreSQL.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS_AT_A_FILE: Duration = Duration::from_millis(200);

/// How often parts of texts that are no longer there are removed.
const BETWEEN_REMOVALS: Duration = Duration::from_mins(10);

/// How many articles have to wait for the index before that is told.
const MANY: i64 = 1_000;

/// How often the log tells how far it is.
const BETWEEN_REPORTS: Duration = Duration::from_secs(10);

/// How much a transaction goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) articles: i64,
    pub(super) bytes: usize,
    /// Whether they are left as they are, because the database does not take the words of one.
    pub(super) is_skipped: bool,
}

impl Batch {
    const MOST: Self = Self {
        articles: MOST_ARTICLES,
        bytes: MOST_BYTES,
        is_skipped: false,
    };

    /// For after a failure: the time for a statement may be short, or the database may refuse to store the row of an
    /// article, which must not keep others waiting.
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
            articles: Self::MOST.articles.min(self.articles * 2),
            bytes: Self::MOST.bytes.min(self.bytes * 2),
            is_skipped: false,
        }
    }
}

/// What became of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) indexed: usize,
}

/// How far a server has come that goes through all articles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    pub done: i64,
    /// How many articles there were when it began.
    pub total: i64,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} articles", self.done, self.total)
    }
}

/// What a server indexes that takes a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexing {
    /// All articles again.
    All(Progress),
    /// About so many that were written without their words, by an import for example.
    Due(i64),
}

impl std::fmt::Display for Indexing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All(progress) => progress.fmt(f),
            Self::Due(left) => write!(f, "about {left} articles are left"),
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    /// About how many articles were written without their words.
    due: i64,
    /// All articles have been gone through.
    is_complete: bool,
    progress: Progress,
}

impl Work {
    fn is_left(self) -> bool {
        self.due > 0 || !self.is_complete
    }

    /// `None` where it is done within seconds.
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
    /// How far the servers have come with what they index; `None` where there is little or nothing to index.
    ///
    /// # Errors
    /// The database does not answer, or lacks the migration.
    pub async fn indexing(&self) -> Result<Option<Indexing>> {
        Ok(self.words_to_make().await?.indexing())
    }

    /// Whether all that has been written is found by its words.
    ///
    /// # Errors
    /// As [`indexing`](Self::indexing).
    pub async fn words_are_in_step(&self) -> Result<bool> {
        Ok(!self.words_to_make().await?.is_left())
    }

    /// Starts the task that keeps words in step, which ends when the store is closed, or `stop` is cancelled.
    pub(crate) fn keep_words_in_step(&self, stop: CancellationToken) {
        let store = self.clone();
        let keep = async move {
            let mut removed_at = Instant::now();
            let (mut batch, mut told) = (Batch::MOST, Told::default());
            loop {
                let pause = store.keep_step(&mut batch, &mut told).await;
                tokio::time::sleep(pause).await;
                if removed_at.elapsed() > BETWEEN_REMOVALS {
                    removed_at = Instant::now();
                    if let Err(error) = store.remove_old_parts().await {
                        tracing::debug!(%error, "old parts of texts were not removed");
                    }
                }
            }
        };
        tokio::spawn(stop.run_until_cancelled_owned(keep));
    }

    /// One transaction's work, where there is any; answers how long to wait until the next.
    async fn keep_step(&self, batch: &mut Batch, told: &mut Told) -> Duration {
        let began = Instant::now();
        let between_looks = match self.0.database {
            Database::Postgres(_) => BETWEEN_LOOKS,
            Database::Sqlite(_) => BETWEEN_LOOKS_AT_A_FILE,
        };
        let round = async {
            let work = self.words_to_make().await?;
            told.progress(work.indexing());
            match work.is_left() {
                true => self.make_words(*batch).await,
                false => Ok(Round { indexed: 0 }),
            }
        };
        match round.await {
            Ok(Round { indexed }) => {
                told.failed = false;
                *batch = batch.doubled();
                match indexed {
                    0 => between_looks,
                    // As long as it took, which leaves half of the time to others.
                    _ => began.elapsed().min(between_looks),
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut told.failed, true) {
                    tracing::warn!(%error, "articles could not be indexed for the search, which is tried again");
                }
                match batch.after(&error) {
                    Some(smaller) => {
                        *batch = smaller;
                        BETWEEN_LOOKS / 10
                    }
                    None => BETWEEN_LOOKS,
                }
            }
        }
    }

    /// Makes the words of all articles again, and tells `report` how far it is.
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
        let mut batch = Batch::MOST;
        loop {
            let work = self.words_to_make().await?;
            if !work.is_left() {
                self.remove_old_parts().await?;
                return Ok(work.progress);
            }
            report(work.progress);
            let began = Instant::now();
            let pause = match self.make_words(batch).await {
                // A server does it.
                Ok(Round { indexed: 0 }) => Duration::from_millis(100),
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

    async fn words_to_make(&self) -> Result<Work> {
        self.run_in_task(Access::Read, |connection| {
            Box::pin(async move {
                // Each from an end of the index, where counting would read all of it.
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

    async fn make_words(&self, batch: Batch) -> Result<Round> {
        self.run_in_task(Access::Transaction, move |connection| {
            Box::pin(async move {
                match connection {
                    Connection::Postgres(connection) => {
                        postgres::index::round(connection, batch).await
                    }
                    Connection::Sqlite(connection) => sqlite::index::round(connection, batch),
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

/// What the log has been told.
#[derive(Debug, Default)]
struct Told {
    failed: bool,
    /// When it was told of progress that goes on.
    at: Option<Instant>,
}

impl Told {
    fn progress(&mut self, indexing: Option<Indexing>) {
        match indexing {
            Some(indexing) if self.at.is_none_or(|at| at.elapsed() >= BETWEEN_REPORTS) => {
                self.at = Some(Instant::now());
                tracing::info!("indexing articles for the search, newest first: {indexing}");
            }
            None if self.at.take().is_some() => {
                tracing::info!("all articles are indexed for the search");
            }
            _ => {}
        }
    }
}
