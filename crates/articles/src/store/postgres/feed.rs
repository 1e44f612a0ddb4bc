//! The feed on PostgreSQL: positions for committed changes, and notifications between servers.
//!
//! `NOTIFY` inside a writing transaction would serialize all commits of the cluster, so it is sent after them, at a
//! limited rate, on its own connection. A notification only says that there may be something to read, and it may be
//! lost: readers also poll from time to time.
//!
//! Decision: `docs/decisions/0001-change-feed.md`.

use std::convert::Infallible;
use std::time::Duration;

use diesel::sql_types::{BigInt, Integer};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Connections, PgConnection, Postgres};
use crate::error::Result;
use crate::store::Cause;
use crate::store::changes::lag::{COUNTED, LagRow};

/// The maximum number of changes that one statement numbers, so that it stays within its time limit.
const NUMBERED_AT_ONCE: i32 = 50_000;

/// The minimum time between two notifications.
const NOTIFY_INTERVAL: Duration = Duration::from_millis(10);

/// How long the listening connection may be silent before it is checked, and how long to wait for a response to the
/// check.
const SILENCE: Duration = Duration::from_secs(5);

diesel::define_sql_function! {
    /// Gives positions to at most this number of changes, and returns the number.
    fn number_changes(most: Integer) -> Integer;
}

/// Gives positions to all committed changes.
///
/// A sequence assigns numbers when rows are inserted, not when they commit, so a reader could see 8, move on, and never
/// see 7. Positions are therefore assigned after commit, by one server at a time. For one article, the order of the ids
/// is that of the versions: the second change can be written only after the first has committed.
pub(in crate::store) async fn number_committed(connection: &mut PgConnection) -> Result<()> {
    loop {
        let numbered: i32 = diesel::select(number_changes(NUMBERED_AT_ONCE))
            .get_result(connection)
            .await?;
        if numbered < NUMBERED_AT_ONCE {
            return Ok(());
        }
    }
}

/// The number of changes without a position, the newest position, and how long ago the first change after `after` got
/// its position.
pub(in crate::store) async fn lag(connection: &mut PgConnection, after: i64) -> Result<LagRow> {
    let row = diesel::sql_query(
        "SELECT
            (SELECT count(*) FROM (SELECT FROM article_change_unnumbered LIMIT $1) AS counted) AS unnumbered,
            coalesce((SELECT max(position) FROM article_feed), floor) AS head,
            (
                SELECT (extract(epoch FROM clock_timestamp() - numbered_at) * 1000000)::bigint
                FROM article_feed WHERE position > $2 ORDER BY position LIMIT 1
            ) AS age
        FROM feed",
    )
    .bind::<BigInt, _>(COUNTED)
    .bind::<BigInt, _>(after)
    .get_result(connection)
    .await?;
    Ok(row)
}

/// Removes the oldest changes, at most `most`, and raises the floor in the same statement.
///
/// A change's age counts from when it got its position, because its transaction may have been open for days.
pub(in crate::store) async fn remove_old(
    connection: &mut PgConnection,
    retention: Duration,
    most: i64,
) -> Result<i64> {
    let removed = diesel::sql_query(
        "WITH oldest AS (
            SELECT position, change_id,
                bool_and(numbered_at < clock_timestamp() - $1 * interval '1 microsecond') OVER (ORDER BY position) AS old
            FROM (SELECT * FROM article_feed ORDER BY position LIMIT $2) AS oldest
        ),
        old AS (SELECT position, change_id FROM oldest WHERE old),
        raised AS (
            UPDATE feed SET floor = greatest(floor, (SELECT max(position) FROM old)) WHERE EXISTS (SELECT FROM old)
        ),
        forgotten AS (DELETE FROM article_feed USING old WHERE article_feed.position = old.position)
        DELETE FROM article_change USING old WHERE article_change.id = old.change_id",
    )
    .bind::<BigInt, _>(i64::try_from(retention.as_micros()).unwrap_or(i64::MAX))
    .bind::<BigInt, _>(most)
    .execute(connection)
    .await?;
    Ok(i64::try_from(removed).unwrap_or(i64::MAX))
}

impl Postgres {
    /// Marks `notified` at a notification from another server, and notifies the others when `written` is marked.
    pub(in crate::store) async fn listen(
        &self,
        mut written: watch::Receiver<()>,
        notified: &watch::Sender<()>,
    ) {
        const MIN_PAUSE: Duration = Duration::from_millis(100);
        const MAX_PAUSE: Duration = Duration::from_secs(5);
        if let Connections::Sandbox(_) = self.connections {
            // No other server can see what this server writes.
            return std::future::pending().await;
        }
        let mut pause = MIN_PAUSE;
        let mut logged = None;
        loop {
            let began = Instant::now();
            let Err(error) = self
                .listen_and_notify(&mut written, notified, &mut logged)
                .await;
            if began.elapsed() > MAX_PAUSE {
                pause = MIN_PAUSE;
            }
            let error = error.to_string();
            if logged.as_ref() != Some(&error) {
                tracing::warn!(error, "the writes of other servers are noticed late");
                logged = Some(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// `logged` is the error that was logged.
    async fn listen_and_notify(
        &self,
        written: &mut watch::Receiver<()>,
        notified: &watch::Sender<()>,
        logged: &mut Option<String>,
    ) -> Result<Infallible, Cause> {
        // Distinguishes our own notifications, which are sent to us too, from those of others.
        let sender = sender_id();
        // Losing a notification in a crash does no harm, so the commit need not be synchronous. The setting ends with
        // its transaction.
        let notify = format!(
            "BEGIN; SET LOCAL synchronous_commit = off; NOTIFY broadsheet_feed, '{sender}'; COMMIT"
        );
        let mut connection = self.options.connect().await?;
        connection.batch_execute("LISTEN broadsheet_feed").await?;
        if logged.take().is_some() {
            tracing::info!("the writes of other servers are noticed immediately again");
        }
        // Notifications may have been missed until now.
        notified.send_replace(());
        let mut next_notify = Instant::now();
        loop {
            tokio::select! {
                notification = connection.notification() => {
                    let notification = notification.ok_or("the connection was closed")?;
                    if notification.payload() != sender {
                        notified.send_replace(());
                    }
                    continue;
                }
                () = async {
                    tokio::time::sleep_until(next_notify).await;
                    if written.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                } => {}
                () = tokio::time::sleep(SILENCE) => {
                    connection.check(SILENCE).await?;
                    continue;
                }
            }
            if let Err(error) = connection.batch_execute(&notify).await {
                written.mark_changed();
                return Err(error.into());
            }
            next_notify = Instant::now() + NOTIFY_INTERVAL;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "no test depends on it, and it never leaves the server"
)]
fn sender_id() -> String {
    Uuid::now_v7().simple().to_string()
}
