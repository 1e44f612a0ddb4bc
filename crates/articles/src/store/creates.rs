//! Creating single articles on PostgreSQL: creates that arrive at the same time share a statement, and so its cost.
//!
//! A create that arrives while few statements are under way is executed immediately and alone; others wait until a
//! statement has ended, and then share the next one. A shared statement either creates an article or leaves it out, so
//! no create fails because of another: a taken slug is recognized by its missing row, and after any other error of the
//! statement each of its creates is executed alone. SQLite has group commit for the same purpose.
//!
//! Decision: `docs/decisions/0016-shared-inserts.md`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::bulk_creates::insert;
use super::connection::{Connection, boxed};
use super::drafts::Draft;
use super::postgres::insert::InsertMany;
use super::statements::{self, Statements};
use super::write_queue::WriteQueue;
use super::writes::retry;
use super::{Abandoned, Access, Database, Inner, Store};
use crate::article::ArticleId;
use crate::error::{Error, Result};

/// The maximum number of statements under way at the same time.
const STATEMENTS: usize = 2;

/// The maximum number of articles in a statement.
const MAX_ARTICLES: usize = 64;

/// The maximum number of waiting creates; further ones fail.
const MAX_WAITING: usize = 10_000;

/// An article with a longer text is created alone, so that others need not wait for it.
const LONG: usize = 64 * 1024;

/// The creates of a store that wait for a statement.
pub(super) struct Creates {
    queue: Mutex<Queue>,
    /// How long a create waits for a connection.
    wait_timeout: Duration,
}

#[derive(Default)]
struct Queue {
    waiting: WriteQueue<Waiting>,
    /// How many [`Worker`]s there are; each ends when nothing waits.
    workers: usize,
}

struct Waiting {
    draft: Arc<Draft>,
    reply: oneshot::Sender<Outcome>,
    queued_at: Instant,
    /// Where the operation's statements are measured.
    scope: Option<Arc<Statements>>,
}

/// The result of a create in a shared statement.
enum Outcome {
    Created,
    SlugTaken,
    /// The statement has failed and created nothing.
    TryAlone,
    Failed(Error),
}

impl Creates {
    pub(super) fn new(wait_timeout: Duration) -> Self {
        Self {
            queue: Mutex::default(),
            wait_timeout,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Inserts an article, and returns whether its slug was free.
    pub(super) async fn insert(&self, draft: &Arc<Draft>) -> Result<bool> {
        let outcome = match (&self.0.database, &draft.words) {
            (Database::Postgres(_), Some(words))
                if words.parts.is_empty() && draft.article.text.len() <= LONG =>
            {
                self.insert_with_others(draft).await?
            }
            _ => Outcome::TryAlone,
        };
        match outcome {
            Outcome::Created => Ok(true),
            Outcome::SlugTaken => Ok(false),
            Outcome::TryAlone => self.insert_alone(draft).await,
            Outcome::Failed(error) => Err(error),
        }
    }

    async fn insert_alone(&self, draft: &Arc<Draft>) -> Result<bool> {
        retry(|| {
            let draft = Arc::clone(draft);
            self.run(Access::Write, move |connection| {
                Box::pin(async move { insert_one(connection, &draft).await })
            })
        })
        .await
    }

    /// Dropping this future cancels nothing: the article is still created.
    async fn insert_with_others(&self, draft: &Arc<Draft>) -> Result<Outcome> {
        let creates = &self.0.creates;
        let (reply, mut outcome) = oneshot::channel();
        let number = {
            let mut queue = creates.queue();
            if queue.waiting.len() >= MAX_WAITING {
                return self.reject("too many articles wait to be created");
            }
            let number = queue.waiting.push(Waiting {
                draft: Arc::clone(draft),
                reply,
                queued_at: Instant::now(),
                scope: statements::current(),
            });
            if queue.workers < STATEMENTS {
                queue.workers += 1;
                let worker = Worker {
                    inner: Arc::clone(&self.0),
                    has_ended: false,
                };
                self.0.tasks.spawn(worker.run());
            }
            number
        };
        let lost = |_| Error::internal("a create was given up");
        if let Ok(outcome) = timeout(creates.wait_timeout, &mut outcome).await {
            return outcome.map_err(lost);
        }
        // A create that is still in the queue can be withdrawn. Otherwise it is being executed, and its statement has a
        // time limit.
        let taken_back = creates.queue().waiting.remove(number);
        match taken_back {
            Some(_) => self.reject("no connection was free in time"),
            None => outcome.await.map_err(lost),
        }
    }

    fn reject(&self, cause: &'static str) -> Result<Outcome> {
        let rejected = Err(Error::unavailable(cause));
        self.0.availability.learn(&rejected);
        rejected
    }
}

/// A task that executes waiting creates.
struct Worker {
    inner: Arc<Inner>,
    has_ended: bool,
}

impl Worker {
    async fn run(mut self) {
        while !self.has_ended {
            self.one_statement().await;
            self.end_if_nothing_waits();
        }
    }

    fn end_if_nothing_waits(&mut self) {
        let mut queue = self.inner.creates.queue();
        if queue.waiting.len() == 0 {
            queue.workers -= 1;
            self.has_ended = true;
        }
    }

    /// Waits for a connection, then takes creates from the queue and executes them.
    async fn one_statement(&self) {
        let oldest = self.inner.creates.queue().waiting.oldest();
        let has_begun = Arc::new(AtomicBool::new(false));
        let (inner, begun) = (Arc::clone(&self.inner), Arc::clone(&has_begun));
        let never = Abandoned::default();
        let ran = self.inner.run(
            Access::Write,
            &never,
            boxed(move |connection| {
                Box::pin(async move {
                    begun.store(true, Ordering::Relaxed);
                    let shared = inner.creates.queue().waiting.take(MAX_ARTICLES);
                    let (started_at, statements) =
                        (Instant::now(), Arc::new(Statements::default()));
                    let inserted = statements.scope(insert_all(connection, &shared)).await;
                    measure(&shared, started_at, &statements, &inserted);
                    let inserted = inner.writability.after(Access::Write, inserted);
                    inner.written.send_replace(());
                    settle(shared, inserted)
                })
            }),
        );
        // Only the oldest create fails: those behind it have waited for less time, and may still get a connection.
        if let Err(error) = ran.await
            && !has_begun.load(Ordering::Relaxed)
            && let Some(oldest) = oldest
            && let Some(waiting) = self.inner.creates.queue().waiting.remove(oldest)
        {
            let _ = waiting.reply.send(Outcome::Failed(error));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The task has panicked.
        if !self.has_ended {
            self.inner.creates.queue().workers -= 1;
        }
    }
}

async fn insert_all(
    connection: &mut Connection<'_>,
    shared: &[Waiting],
) -> Result<HashSet<ArticleId>> {
    match (connection, shared) {
        (_, []) => Ok(HashSet::new()),
        (connection, [alone]) => {
            let is_new = insert_one(connection, &alone.draft).await?;
            Ok(is_new
                .then_some(alone.draft.article.id)
                .into_iter()
                .collect())
        }
        (Connection::Postgres(connection), shared) => {
            let mut rows: Vec<_> = shared
                .iter()
                .filter_map(|waiting| {
                    let draft = &*waiting.draft;
                    Some((&draft.article, draft.words.as_ref()?))
                })
                .collect();
            // Sorted, so that no two statements wait for each other's slugs.
            rows.sort_unstable_by(|(a, _), (b, _)| a.slug.cmp(&b.slug));
            // One of the slugs may be locked by another transaction; the other creates must not wait for it.
            let insert = InsertMany::new(rows).giving_way();
            let ids: Vec<ArticleId> =
                diesel_async::RunQueryDsl::get_results(insert, &mut **connection).await?;
            Ok(ids.into_iter().collect())
        }
        (Connection::Sqlite(_), _) => Err(Error::internal("inserts are shared on PostgreSQL only")),
    }
}

async fn insert_one(connection: &mut Connection<'_>, draft: &Draft) -> Result<bool> {
    let articles = std::slice::from_ref(&draft.article);
    let inserted = insert(connection, articles, draft.words.as_slice()).await?;
    Ok(inserted > 0)
}

/// Counts the statement for each operation that it was executed for.
fn measure(
    shared: &[Waiting],
    started_at: Instant,
    statements: &Statements,
    inserted: &Result<HashSet<ArticleId>>,
) {
    for waiting in shared {
        let Some(scope) = &waiting.scope else {
            continue;
        };
        scope.add(statements);
        statements::on_thread(Some(Arc::clone(scope)), || {
            statements::waited(started_at.saturating_duration_since(waiting.queued_at));
            let id = &waiting.draft.article.id;
            statements::rows(usize::from(
                inserted.as_ref().is_ok_and(|ids| ids.contains(id)),
            ));
        });
    }
}

/// Sends each create its result.
fn settle(shared: Vec<Waiting>, inserted: Result<HashSet<ArticleId>>) -> Result<()> {
    let is_alone = shared.len() == 1;
    for Waiting { draft, reply, .. } in shared {
        let outcome = match &inserted {
            Ok(ids) if ids.contains(&draft.article.id) => Outcome::Created,
            Ok(_) => Outcome::SlugTaken,
            // It is unknown whether articles were created, or none of them could be.
            Err(error @ (Error::Lost(_) | Error::Unavailable(_) | Error::NoWrites { .. })) => {
                Outcome::Failed(error.clone())
            }
            Err(error) if is_alone && !matches!(error, Error::Raced) => {
                Outcome::Failed(error.clone())
            }
            Err(_) => Outcome::TryAlone,
        };
        // Fails where the caller has dropped its future.
        let _ = reply.send(outcome);
    }
    inserted.map(drop)
}
