//! The connections that read, and the time limit of reads.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use diesel::{QueryResult, SqliteConnection};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::Async;
use super::time_limit::TimeLimit;
use super::write_ahead_log::Scans;
use crate::error::{Error, Result};
use crate::store::detach_on_drop::Abandoned;
use crate::store::pool_waits::Waits;
use crate::store::{PoolStatus, from_pool, statements};

/// How much longer than its limit a read may take before its caller stops waiting. Some of SQLite's work, such as
/// comparing the positions of words in one long text, calls none of our functions.
const GRACE: Duration = Duration::from_secs(1);

/// Work that continues whether or not this is polled.
type Running<T> = BoxFuture<'static, QueryResult<Result<T>>>;

/// A pool of read-only connections.
pub(super) struct Readers {
    pool: Pool<Async>,
    waits: Waits,
    /// The time limit of a read; zero for none.
    time: Duration,
    scans: Scans,
    /// Connections that were replaced in the pool because their statements do not end; at most as many as the pool has.
    stuck: Arc<AtomicUsize>,
}

impl Readers {
    pub(super) fn new(pool: Pool<Async>, time: Duration, scans: Scans) -> Self {
        Self {
            pool,
            waits: Waits::default(),
            time,
            scans,
            stuck: Arc::default(),
        }
    }

    /// Makes the next reads reopen the file.
    pub(super) fn reopen(&self) {
        self.pool.retain(|_, _| false);
    }

    /// Runs short work.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        abandoned: &Abandoned,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut connection = self.connection().await?;
        abandoned.begin();
        self.begin(&mut connection, abandoned, work).await?
    }

    /// Runs work that may read many articles. It waits while the write-ahead log is about to be emptied, and is no
    /// longer awaited if it exceeds its time limit.
    pub(super) async fn scan<T: Send + 'static>(
        &self,
        abandoned: &Abandoned,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let under_way = Arc::clone(&self.scans).read_owned().await;
        let mut connection = self.connection().await?;
        abandoned.begin();
        let mut running = self.begin(&mut connection, abandoned, move |connection| {
            let done = work(connection);
            drop(under_way);
            done
        });
        if let Some(done) = self.in_time(&mut running, abandoned).await {
            return done?;
        }
        self.replace(connection, running);
        Err(Error::timeout("a statement exceeded its time limit"))
    }

    async fn connection(&self) -> Result<Object<Async>> {
        self.waits
            .time(pin!(self.pool.get()))
            .await
            .map_err(from_pool)
    }

    fn begin<T: Send + 'static>(
        &self,
        connection: &mut Object<Async>,
        abandoned: &Abandoned,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T> + Send + 'static,
    ) -> Running<T> {
        let (time, abandoned) = (self.time, abandoned.clone());
        let scope = statements::current();
        connection.spawn_blocking(move |connection| {
            let work = || TimeLimit::start(time, abandoned).run(|| work(connection));
            Ok(statements::on_thread(scope, work))
        })
    }

    pub(super) fn status(&self) -> PoolStatus {
        PoolStatus::of("readers", self.pool.status(), &self.waits)
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// The result of `running`, or `None` where it takes too long.
    async fn in_time<T>(&self, running: &mut BoxFuture<'_, T>, abandoned: &Abandoned) -> Option<T> {
        let time = match self.time.is_zero() {
            true => Duration::MAX,
            false => self.time.saturating_add(GRACE),
        };
        let mut end = pin!(tokio::time::sleep(time));
        let mut ends_early = false;
        std::future::poll_fn(|context| {
            if let Poll::Ready(done) = running.poll_unpin(context) {
                return Poll::Ready(Some(done));
            }
            // When the caller is dropped, another task polls this future, so the flag is checked immediately.
            if !ends_early && abandoned.is_set() {
                ends_early = true;
                let soon = Instant::now() + GRACE;
                if soon < end.deadline() {
                    end.as_mut().reset(soon);
                }
            }
            end.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// Lets the pool open another connection instead of one whose statement does not end, and awaits that one in the
    /// background. Where too many are stuck already, it keeps its place in the pool.
    fn replace<T: Send + 'static>(&self, connection: Object<Async>, running: Running<T>) {
        let most = self.pool.status().max_size;
        let one_more = |stuck: usize| (stuck < most).then_some(stuck + 1);
        let counted = self
            .stuck
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        tracing::warn!(
            stuck = self.stuck.load(Ordering::Relaxed),
            "a statement on SQLite continues beyond its time limit"
        );
        if counted.is_err() {
            tokio::spawn(async move {
                drop(running.await);
                drop(connection);
            });
            return;
        }
        let stuck = Arc::clone(&self.stuck);
        let connection = Object::take(connection);
        tokio::spawn(async move {
            drop(running.await);
            drop(connection);
            stuck.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

#[cfg(test)]
mod tests {
    use diesel::RunQueryDsl as _;
    use diesel::sql_types::BigInt;

    use super::*;
    use crate::store::SqliteLocation;
    use crate::store::sqlite::connect::Target;

    fn readers(time: Duration) -> Readers {
        let pool = Target::of(&SqliteLocation::Memory)
            .pool(true, 1, Duration::from_millis(100))
            .unwrap();
        Readers::new(pool, time, Scans::default())
    }

    fn number(connection: &mut SqliteConnection) -> Result<i64> {
        let number = diesel::dsl::sql::<BigInt>("SELECT 7");
        Ok(number.get_result(connection)?)
    }

    /// A statement that SQLite does not end.
    fn stuck(connection: &mut SqliteConnection) -> Result<i64> {
        std::thread::sleep(Duration::from_secs(3));
        number(connection)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stuck_statement_fails_and_its_connection_is_replaced() {
        let readers = readers(Duration::from_millis(10));
        let here = Abandoned::default();
        let began = Instant::now();
        let late = readers.scan(&here, stuck).await;
        assert!(matches!(late, Err(Error::Timeout(_))), "{late:?}");
        assert!(began.elapsed() < Duration::from_secs(2));
        assert_eq!(readers.read(&here, number).await.unwrap(), 7);
        // As many connections as the pool has may be replaced; the next one keeps its place until its statement ends.
        let late = readers.scan(&here, stuck).await;
        assert!(matches!(late, Err(Error::Timeout(_))), "{late:?}");
        let none = readers.read(&here, number).await;
        assert!(matches!(none, Err(Error::Unavailable(_))), "{none:?}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(readers.read(&here, number).await.unwrap(), 7);
        assert_eq!(readers.stuck.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_abandoned_statement_releases_its_connection() {
        let readers = readers(Duration::ZERO);
        let gone = Abandoned::default();
        let mut read = pin!(readers.scan(&gone, stuck));
        let waited = tokio::time::timeout(Duration::from_millis(100), &mut read).await;
        assert!(waited.is_err(), "{waited:?}");
        gone.set();
        let began = Instant::now();
        let late = read.await;
        assert!(matches!(late, Err(Error::Timeout(_))), "{late:?}");
        assert!(began.elapsed() < Duration::from_secs(2));
        let here = Abandoned::default();
        assert_eq!(readers.read(&here, number).await.unwrap(), 7);
    }
}
