//! Group commit: writes that wait at the same time share a transaction, and so one wait for the disk.
//!
//! Each stands in a savepoint of its own, so that one that fails takes nothing from the others, and each is answered
//! only after the commit. Whoever gets the only writing connection carries out all that wait by then.
//!
//! Decision: `docs/decisions/0006-sqlite-group-commit.md`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::{Connection as _, QueryResult, SqliteConnection};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use tokio::sync::oneshot;

use super::time_limit::TimeLimit;
use super::{Async, index, log};
use crate::error::{Error, Result};
use crate::store::connection::{Work, run_on_sqlite};
use crate::store::detach_on_drop::Abandoned;
use crate::store::statements::Statements;
use crate::store::waits::Waits;
use crate::store::write_queue::WriteQueue;
use crate::store::{PoolStatus, from_pool, statements};

/// The most writes in a transaction: other programs want to write as well.
const MOST: usize = 500;

/// The only connection that writes, and the writes that wait for it.
pub(super) struct Writer {
    connection: Pool<Async>,
    /// Those of writes until they begin, with others or alone.
    waits: Arc<Waits>,
    queue: Mutex<WriteQueue<Box<dyn Job>>>,
    /// How long the statements of a write may take; zero for no limit.
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

    /// Carries out `work`. Once it has begun it must run to its end: others may depend on this future to carry out theirs.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        abandoned: &Abandoned,
        work: Work<T>,
    ) -> Result<T> {
        let (reply, mut answer) = oneshot::channel();
        let number = self.queue().push(Box::new(Write {
            work: Some(work),
            done: None,
            reply,
            queued_at: Instant::now(),
            waits: Arc::clone(&self.waits),
            scope: statements::current().unwrap_or_default(),
        }));
        let _place = Place {
            writer: self,
            number,
        };
        let lost = |_| Err(Error::internal("a write was given up"));
        let connection = tokio::select! {
            biased;
            answered = &mut answer => return answered.unwrap_or_else(lost),
            connection = self.connection.get() => connection,
        };
        match connection {
            Ok(mut connection) => loop {
                abandoned.begin();
                // Only as long as this write is not among those that were done: the next in turn goes on with the rest.
                match answer.try_recv() {
                    Err(oneshot::error::TryRecvError::Empty) => {
                        self.carry_out(&mut connection).await;
                    }
                    Err(oneshot::error::TryRecvError::Closed) => {
                        return Err(Error::internal("a write was given up"));
                    }
                    Ok(answered) => return answered,
                }
            },
            // Its own time is over. Those behind it have theirs, and wait for the connection themselves.
            Err(error) if self.queue().remove(number).is_some() => Err(from_pool(error)),
            // It is being executed with others.
            Err(_) => answer.await.unwrap_or_else(lost),
        }
    }

    /// Carries out `work` in a transaction that it shares with nobody. What it writes stays due for the index.
    ///
    /// There is no savepoint, for which SQLite would keep a copy of each page that changes, and go through all of them
    /// at the end of every statement.
    pub(super) async fn write_alone<T: Send + 'static>(&self, work: Work<T>) -> Result<T> {
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

    /// Closes the connection, and the write-ahead log where no other server uses it.
    pub(super) async fn close(&self) -> QueryResult<()> {
        let left = match self.connection.get().await {
            Ok(mut connection) => connection.spawn_blocking(log::leave).await,
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

    /// Has the next write open the file again.
    pub(super) fn reopen(&self) {
        self.connection.retain(|_, _| false);
    }

    fn queue(&self) -> MutexGuard<'_, WriteQueue<Box<dyn Job>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what waits, in its order, as much of it as goes into a transaction.
    async fn carry_out(&self, connection: &mut Object<Async>) {
        let jobs = self.queue().take(MOST);
        let time = self.statement_timeout;
        let committed = connection
            .spawn_blocking(move |connection| {
                commit(connection, jobs, time);
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

/// Carries out all the jobs in one transaction, then answers them.
fn commit(connection: &mut SqliteConnection, mut jobs: Vec<Box<dyn Job>>, time: Duration) {
    let shared = match jobs.iter().any(|job| job.is_traced()) {
        true => Arc::new(Statements::keeping_each()),
        false => Arc::default(),
    };
    let transaction = || {
        connection.immediate_transaction(|connection| {
            let due = index::due(connection);
            for job in &mut jobs {
                // Nobody can abandon a write.
                TimeLimit::start(time, Abandoned::default()).run(|| job.run(connection));
            }
            if let Some(due) = due {
                due.index(connection);
            }
            Ok(())
        })
    };
    let committed = statements::on_thread(Some(Arc::clone(&shared)), transaction);
    for job in jobs {
        job.settle(committed.clone(), &shared);
    }
}

/// A write that waits, whatever it answers.
trait Job: Send {
    /// Whether somebody wants its statements one by one.
    fn is_traced(&self) -> bool;

    fn run(&mut self, connection: &mut SqliteConnection);

    /// Answers: with what it did where the transaction was committed. `shared` is what all of them took together.
    fn settle(self: Box<Self>, committed: Result<()>, shared: &Statements);
}

struct Write<T> {
    work: Option<Work<T>>,
    done: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    queued_at: Instant,
    waits: Arc<Waits>,
    /// What measures the write.
    scope: Arc<Statements>,
}

impl<T: Send> Job for Write<T> {
    fn is_traced(&self) -> bool {
        self.scope.keeps_each()
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

    fn settle(self: Box<Self>, committed: Result<()>, shared: &Statements) {
        self.scope.add(shared);
        let done = self
            .done
            .unwrap_or_else(|| Err(Error::internal("a write did not run")));
        // Nobody hears it where the runtime is ending.
        let _ = self.reply.send(committed.and(done));
    }
}
