//! Group commit: writes that wait at the same time share a transaction, and so one `fsync`.
//!
//! Each write has its own savepoint, so that a failed write does not affect the others, and each gets its result only
//! after the commit. The task that gets the only writing connection executes all writes that are waiting by then.
//!
//! Decision: `docs/decisions/0006-sqlite-group-commit.md`.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::{Connection as _, QueryResult, SqliteConnection};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use tokio::sync::oneshot;

use super::time_limit::TimeLimit;
use super::{Async, index, write_ahead_log};
use crate::error::{Error, Result};
use crate::store::connection::{ErasedResult, Work, run_on_sqlite};
use crate::store::detach_on_drop::Abandoned;
use crate::store::pool_waits::Waits;
use crate::store::statements::Statements;
use crate::store::write_queue::WriteQueue;
use crate::store::{PoolStatus, from_pool, statements};

/// The maximum number of writes in a transaction: other programs need the lock as well.
const MAX_WRITES: usize = 500;

/// The only writing connection, and the writes that wait for it.
pub(super) struct Writer {
    connection: Pool<Async>,
    /// How long writes wait until they begin, with others or alone.
    waits: Arc<Waits>,
    queue: Mutex<WriteQueue<Write>>,
    /// The time limit for the statements of a write; zero for none.
    statement_timeout: Duration,
}

impl Writer {
    /// `connection` is a pool of one.
    pub(super) fn new(connection: Pool<Async>, statement_timeout: Duration) -> Self {
        Self {
            connection,
            waits: Arc::default(),
            queue: Mutex::default(),
            statement_timeout,
        }
    }

    /// Executes `work`. Once it has begun, this future must run to completion: other writes may depend on it.
    pub(super) async fn write(&self, abandoned: &Abandoned, work: Work) -> Result<ErasedResult> {
        let (reply, mut result) = oneshot::channel();
        let number = self.queue().push(Write {
            work: Some(work),
            done: None,
            reply,
            queued_at: Instant::now(),
            waits: Arc::clone(&self.waits),
            scope: statements::current().unwrap_or_default(),
        });
        let _place = Place {
            writer: self,
            number,
        };
        let lost = |_| Err(Error::internal("a write was given up"));
        let connection = tokio::select! {
            biased;
            done = &mut result => return done.unwrap_or_else(lost),
            connection = self.connection.get() => connection,
        };
        match connection {
            Ok(mut connection) => loop {
                abandoned.begin();
                // Stops once this write is done: the next waiting task continues with the rest.
                match result.try_recv() {
                    Err(oneshot::error::TryRecvError::Empty) => {
                        self.execute_waiting(&mut connection).await;
                    }
                    Err(oneshot::error::TryRecvError::Closed) => {
                        return Err(Error::internal("a write was given up"));
                    }
                    Ok(done) => return done,
                }
            },
            // The wait has timed out. The writes behind it have their own timeouts, and wait for the connection
            // themselves.
            Err(error) if self.queue().remove(number).is_some() => Err(from_pool(error)),
            // Another task is executing it.
            Err(_) => result.await.unwrap_or_else(lost),
        }
    }

    /// Executes `work` in a transaction of its own. The articles that it writes stay due for the index.
    ///
    /// There is no savepoint: SQLite would keep a copy of each changed page for it, and go through all copies at the
    /// end of every statement.
    pub(super) async fn write_alone(&self, work: Work) -> Result<ErasedResult> {
        let mut connection = self.connection.get().await.map_err(from_pool)?;
        let time = self.statement_timeout;
        connection
            .spawn_blocking(move |connection| {
                Ok(connection.immediate_transaction(|connection| {
                    TimeLimit::start(time, Abandoned::default())
                        .run(|| run_on_sqlite(connection, work))
                }))
            })
            .await?
    }

    /// Executes `work`, which creates many articles, in a transaction of its own, without a savepoint like
    /// [`write_alone`](Self::write_alone).
    ///
    /// After a commit that has made the log long, SQLite copies the log into the file; this nearly always has, so the
    /// copying follows the result.
    pub(super) async fn write_many(
        &self,
        abandoned: &Abandoned,
        work: Work,
    ) -> Result<ErasedResult> {
        let connection = self.waits.time(pin!(self.connection.get())).await;
        let mut connection = connection.map_err(from_pool)?;
        abandoned.begin();
        let time = self.statement_timeout;
        let scope = statements::current();
        let done = connection
            .spawn_blocking(move |connection| {
                write_ahead_log::keep(connection)?;
                Ok(statements::on_thread(scope, || {
                    write_many(connection, work, time)
                }))
            })
            .await;
        tokio::spawn(async move {
            if let Err(error) = connection.spawn_blocking(write_ahead_log::copy).await {
                tracing::debug!(%error, "the write-ahead log was not copied");
            }
        });
        done?
    }

    /// Closes the connection, and removes the write-ahead log if no other server uses it.
    pub(super) async fn close(&self) -> QueryResult<()> {
        let left = match self.connection.get().await {
            Ok(mut connection) => connection.spawn_blocking(write_ahead_log::disable).await,
            Err(_) => Ok(()),
        };
        self.connection.close();
        left
    }

    pub(super) fn status(&self) -> PoolStatus {
        PoolStatus {
            waiting: self.queue().len(),
            ..PoolStatus::of("writer", self.connection.status(), &self.waits)
        }
    }

    /// Makes the next write reopen the file.
    pub(super) fn reopen(&self) {
        self.connection.retain(|_, _| false);
    }

    fn queue(&self) -> MutexGuard<'_, WriteQueue<Write>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes waiting writes, oldest first, as many as fit into a transaction.
    async fn execute_waiting(&self, connection: &mut Object<Async>) {
        let writes = self.queue().take(MAX_WRITES);
        let time = self.statement_timeout;
        let committed = connection
            .spawn_blocking(move |connection| {
                commit(connection, writes, time);
                Ok(())
            })
            .await;
        if let Err(error) = committed {
            tracing::error!(%error, "writes were given up");
        }
    }
}

/// The place of a write in the queue, which it leaves when this is dropped.
struct Place<'w> {
    writer: &'w Writer,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.writer.queue().remove(self.number);
    }
}

/// Executes all the writes in one transaction, then sends their results.
fn commit(connection: &mut SqliteConnection, mut writes: Vec<Write>, time: Duration) {
    let shared = match writes.iter().any(Write::is_traced) {
        true => Arc::new(Statements::keeping_each()),
        false => Arc::default(),
    };
    let transaction = || {
        connection.immediate_transaction(|connection| {
            let due = index::due(connection);
            for write in &mut writes {
                // A write cannot be abandoned.
                TimeLimit::start(time, Abandoned::default()).run(|| write.run(connection));
            }
            if let Some(due) = due {
                due.index(connection);
            }
            Ok(())
        })
    };
    let committed = statements::on_thread(Some(Arc::clone(&shared)), transaction);
    for write in writes {
        write.respond(committed.clone(), &shared);
    }
}

fn write_many(
    connection: &mut SqliteConnection,
    work: Work,
    time: Duration,
) -> Result<ErasedResult> {
    connection.immediate_transaction(|connection| {
        let due = index::due(connection);
        // A write cannot be abandoned.
        let limit = TimeLimit::start(time, Abandoned::default());
        let done = limit.run(|| run_on_sqlite(connection, work))?;
        if let Some(due) = due {
            due.index(connection);
        }
        Ok(done)
    })
}

/// A write that waits.
struct Write {
    work: Option<Work>,
    done: Option<Result<ErasedResult>>,
    reply: oneshot::Sender<Result<ErasedResult>>,
    queued_at: Instant,
    waits: Arc<Waits>,
    /// Where the write's statements are measured.
    scope: Arc<Statements>,
}

impl Write {
    /// Whether its statements are recorded one by one.
    fn is_traced(&self) -> bool {
        self.scope.records_each()
    }

    fn run(&mut self, connection: &mut SqliteConnection) {
        let waited = self.queued_at.elapsed();
        self.waits.count(waited);
        self.done = self.work.take().map(|work| {
            statements::on_thread(Some(Arc::clone(&self.scope)), || {
                statements::waited(waited);
                connection.transaction(|connection| run_on_sqlite(connection, work))
            })
        });
    }

    /// Sends the result to the caller: that of the write if the transaction was committed. `shared` measures what all
    /// writes of the transaction had in common.
    fn respond(self, committed: Result<()>, shared: &Statements) {
        self.scope.add(shared);
        let done = self
            .done
            .unwrap_or_else(|| Err(Error::internal("a write did not run")));
        // Fails where the runtime is shutting down.
        let _ = self.reply.send(committed.and(done));
    }
}
