//! Group commit: writes that wait at the same time share a transaction, and so one wait for the disk.
//!
//! Each stands in a savepoint of its own, so that one that fails takes nothing from the others, and each is answered
//! only after the commit. Whoever gets the only writing connection carries out all that wait by then.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use diesel::{Connection as _, SqliteConnection};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use tokio::sync::oneshot;

use super::{Async, from_pool};
use crate::error::{Error, Result};
use crate::store::connection::{Work, run_on_sqlite};

/// The most writes in a transaction: other programs want to write as well.
const MOST: usize = 500;

/// The only connection that writes, and the writes that wait for it.
pub(super) struct Writer {
    connection: Pool<Async>,
    waiting: Mutex<VecDeque<Box<dyn Job>>>,
}

impl Writer {
    /// `connection` is a pool of one.
    pub(super) fn new(connection: Pool<Async>) -> Self {
        Self {
            connection,
            waiting: Mutex::default(),
        }
    }

    /// Carries out `work`, which must run to its end: others may depend on this future to carry out theirs.
    pub(super) async fn write<T: Send + 'static>(&self, work: Work<T>) -> Result<T> {
        let (reply, mut answer) = oneshot::channel();
        self.waiting().push_back(Box::new(Write {
            work: Some(work),
            done: None,
            reply,
        }));
        let lost = |_| Err(Error::internal("a write was given up"));
        let connection = tokio::select! {
            biased;
            answered = &mut answer => return answered.unwrap_or_else(lost),
            connection = self.connection.get() => connection,
        };
        match connection {
            Ok(mut connection) => loop {
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
            Err(error) => {
                self.give_up(&from_pool(error));
                answer.await.unwrap_or_else(lost)
            }
        }
    }

    pub(super) fn close(&self) {
        self.connection.close();
    }

    /// Has the next write open the file anew.
    pub(super) fn reopen(&self) {
        self.connection.retain(|_, _| false);
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Box<dyn Job>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what waits, in its order, as much of it as goes into a transaction.
    async fn carry_out(&self, connection: &mut Object<Async>) {
        let jobs: Vec<_> = {
            let mut waiting = self.waiting();
            let count = waiting.len().min(MOST);
            waiting.drain(..count).collect()
        };
        let committed = connection
            .spawn_blocking(move |connection| {
                commit(connection, jobs);
                Ok(())
            })
            .await;
        if let Err(error) = committed {
            tracing::error!(%error, "writes were given up");
        }
    }

    /// The connection was not to be had in time, so none of those that wait will have it.
    fn give_up(&self, error: &Error) {
        let jobs = std::mem::take(&mut *self.waiting());
        for job in jobs {
            job.settle(Err(error.clone()));
        }
    }
}

/// Carries out all the jobs in one transaction, then answers them.
fn commit(connection: &mut SqliteConnection, mut jobs: Vec<Box<dyn Job>>) {
    let committed = connection.immediate_transaction(|connection| {
        for job in &mut jobs {
            job.run(connection);
        }
        Ok(())
    });
    for job in jobs {
        job.settle(committed.clone());
    }
}

/// A write that waits, whatever it answers.
trait Job: Send {
    fn run(&mut self, connection: &mut SqliteConnection);

    /// Answers: with what it did where the transaction was committed.
    fn settle(self: Box<Self>, committed: Result<()>);
}

struct Write<T> {
    work: Option<Work<T>>,
    done: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send> Job for Write<T> {
    fn run(&mut self, connection: &mut SqliteConnection) {
        self.done = self
            .work
            .take()
            .map(|work| connection.transaction(|connection| run_on_sqlite(connection, work)));
    }

    fn settle(self: Box<Self>, committed: Result<()>) {
        let done = self
            .done
            .unwrap_or_else(|| Err(Error::internal("a write did not run")));
        // Nobody hears it where the runtime is ending.
        let _ = self.reply.send(committed.and(done));
    }
}
