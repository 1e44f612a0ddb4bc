//! The feed on SQLite: removing old changes, and noticing the writes of other programs.

use std::convert::Infallible;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{BigInt, Integer, Nullable};
use diesel::{QueryableByName, RunQueryDsl as _, SqliteConnection};
use tokio::sync::watch;

use super::{Connections, Sqlite};
use crate::error::Result;
use crate::store::Cause;
use crate::store::changes::lag::LagRow;

/// How often to check whether another program has written.
const CHECK_INTERVAL: Duration = Duration::from_millis(25);

#[derive(QueryableByName)]
struct DataVersion {
    #[diesel(sql_type = Integer)]
    data_version: i32,
}

#[derive(QueryableByName)]
struct LastOld {
    #[diesel(sql_type = Nullable<BigInt>)]
    position: Option<i64>,
}

/// The newest position, and how long ago the first change after `after` got its position, which happens when it is
/// written.
pub(in crate::store) fn lag(connection: &mut SqliteConnection, after: i64) -> Result<LagRow> {
    let row = diesel::sql_query(
        "SELECT
            0 AS unnumbered,
            coalesce((SELECT max(position) FROM article_feed), floor) AS head,
            (
                SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000 - numbered_at
                FROM article_feed WHERE position > ?1 ORDER BY position LIMIT 1
            ) AS age
        FROM feed",
    )
    .bind::<BigInt, _>(after)
    .get_result(connection)?;
    Ok(row)
}

/// Removes the oldest changes, at most `most`, and raises the floor in the same transaction.
pub(in crate::store) fn remove_old(
    connection: &mut SqliteConnection,
    retention: Duration,
    most: i64,
) -> Result<i64> {
    let last: Option<i64> = diesel::sql_query(
        "SELECT max(position) AS position FROM (
            SELECT position, max(made_at) OVER (ORDER BY position) AS newest
            FROM (SELECT position, made_at FROM article_change ORDER BY position LIMIT ?2)
        )
        WHERE newest < CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000 - ?1",
    )
    .bind::<BigInt, _>(i64::try_from(retention.as_micros()).unwrap_or(i64::MAX))
    .bind::<BigInt, _>(most)
    .get_result::<LastOld>(connection)?
    .position;
    let Some(last) = last else {
        return Ok(0);
    };
    diesel::sql_query("UPDATE feed SET floor = ?1")
        .bind::<BigInt, _>(last)
        .execute(connection)?;
    let removed = diesel::sql_query("DELETE FROM article_change WHERE position <= ?1")
        .bind::<BigInt, _>(last)
        .execute(connection)?;
    Ok(i64::try_from(removed).unwrap_or(i64::MAX))
}

impl Sqlite {
    /// Marks `notified` when any connection has written, including our own, while `wanted` is above zero.
    pub(in crate::store) async fn listen(
        &self,
        notified: &watch::Sender<()>,
        mut wanted: watch::Receiver<usize>,
    ) {
        const PAUSE: Duration = Duration::from_secs(1);
        if matches!(self.connections, Connections::Sandbox(_)) || self.target.file().is_none() {
            // No other program can write to this database.
            return std::future::pending().await;
        }
        loop {
            if wanted.wait_for(|wanted| *wanted > 0).await.is_err() {
                return std::future::pending().await;
            }
            let Err(error) = self.watch_data_version(notified, &mut wanted).await;
            tracing::warn!(
                error,
                retry_in_ms = PAUSE.as_millis(),
                "other programs' writes are noticed late"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn watch_data_version(
        &self,
        notified: &watch::Sender<()>,
        wanted: &mut watch::Receiver<usize>,
    ) -> Result<Infallible, Cause> {
        let mut connection = self.target.connect(true).await?;
        // This reads only the header of the log.
        connection
            .spawn_blocking(|connection| connection.batch_execute("PRAGMA cache_size = 8"))
            .await?;
        let mut seen = None;
        loop {
            let version = connection
                .spawn_blocking(|connection| {
                    diesel::sql_query("PRAGMA data_version").get_result::<DataVersion>(connection)
                })
                .await?
                .data_version;
            if seen.replace(version) != Some(version) {
                notified.send_replace(());
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
            wanted.wait_for(|wanted| *wanted > 0).await?;
        }
    }
}
