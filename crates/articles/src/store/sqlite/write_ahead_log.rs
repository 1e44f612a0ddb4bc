//! The write-ahead log beside the file: it is kept small, it is removed when the last server stops cleanly, and a
//! missing log is warned about.
//!
//! SQLite restarts the log from its beginning when all of it is in the database file and no reader uses it. Overlapping
//! reads prevent that, and the log grows with each write.
//!
//! Decision: `docs/decisions/0010-sqlite-limits.md`.

use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Integer;
use diesel::{QueryResult, QueryableByName, RunQueryDsl as _, SqliteConnection};
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::{Pool, PoolError};
use tokio::sync::RwLock;
use tokio::time::{Instant, timeout};

use super::{Async, BUSY_TIMEOUT, backup};
use crate::store::Cause;

/// The size in bytes to which SQLite truncates the log when it restarts it. A larger log is emptied as soon as its
/// readers have finished.
pub(super) const SMALL: u64 = 16 * 1024 * 1024;

const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How long there must have been no writes before even a small log is emptied, so that a copy of an idle file is
/// complete.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// How long writes wait for reads.
const SHORT: Duration = Duration::from_millis(50);

/// The same when no scan of this server is running. Those of other servers and programs cannot be held back.
const LONG: Duration = Duration::from_secs(1);

/// How long scans wait for earlier ones where these have no time limit.
const MAX_SCAN: Duration = Duration::from_secs(10);

/// A pool that its owner may drop.
type WeakPool = deadpool::managed::WeakPool<AsyncDieselConnectionManager<Async>>;

/// Each scan holds a read lock while it is running. Waiting for the write lock holds back new scans.
pub(super) type Scans = Arc<RwLock<()>>;

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Empties the log periodically, through the connection of `writer`, until that pool is closed. A scan takes at most
/// `longest_scan`; zero means no limit.
pub(super) async fn keep_small(
    database: PathBuf,
    writer: WeakPool,
    scans: Scans,
    longest_scan: Duration,
) {
    let longest_scan = match longest_scan.is_zero() {
        true => MAX_SCAN,
        false => longest_scan.saturating_add(LONG),
    };
    let log = beside(&database);
    let mut pause = CHECK_INTERVAL;
    loop {
        tokio::time::sleep(pause).await;
        pause = CHECK_INTERVAL;
        let Some(writer) = writer.upgrade().filter(|writer| !writer.is_closed()) else {
            return;
        };
        let Ok(metadata) = tokio::fs::metadata(&log).await else {
            continue;
        };
        let is_small = metadata.len() <= SMALL;
        if metadata.len() == 0 || (is_small && !is_idle(&metadata)) {
            continue;
        }
        // The copy reads from the log until it has ended, so waiting would only delay others.
        if backup::is_being_copied(&database) {
            continue;
        }
        let began = Instant::now();
        let emptied = match empty(&writer, SHORT).await {
            // Overlapping scans would use the log for ever. So new scans wait until running ones have ended.
            Ok(false) if !is_small => {
                let between_scans = timeout(longest_scan, scans.write()).await;
                let emptied = empty(&writer, LONG).await;
                drop(between_scans);
                emptied
            }
            done => done,
        };
        match emptied {
            Ok(true) => {}
            // Others then get twice the time that they have waited for this.
            Ok(false) => pause = CHECK_INTERVAL.max(began.elapsed() * 2),
            Err(error) => tracing::debug!(error, "the write-ahead log could not be emptied"),
        }
    }
}

/// Copies the log into the file and truncates it, if its readers finish in time; returns whether they did.
async fn empty(writer: &Pool<Async>, timeout: Duration) -> Result<bool, Cause> {
    let mut writer = match writer.get().await {
        Err(PoolError::Timeout(_)) => return Ok(false),
        writer => writer?,
    };
    let emptied = writer.spawn_blocking(move |connection| {
        wait_for_locks(connection, timeout)?;
        let emptied = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)")
            .get_result::<Checkpoint>(connection);
        wait_for_locks(connection, BUSY_TIMEOUT)?;
        Ok(emptied?.busy == 0)
    });
    Ok(emptied.await?)
}

fn is_idle(log: &Metadata) -> bool {
    let written = log.modified().ok();
    let since = written.and_then(|at| SystemTime::now().duration_since(at).ok());
    since.is_some_and(|since| since > IDLE_TIME)
}

/// Sets how long a statement waits for the locks of other connections.
pub(super) fn wait_for_locks(connection: &mut SqliteConnection, time: Duration) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA busy_timeout = {}", time.as_millis()))
}

/// Lets commits on this connection leave the log as long as it is, until [`copy`].
pub(super) fn keep(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute("PRAGMA wal_autocheckpoint = 0")
}

/// Copies into the file as much of the log as no reader needs, without waiting.
pub(super) fn copy(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute("PRAGMA wal_autocheckpoint = 1000; PRAGMA wal_checkpoint(PASSIVE)")
}

/// Switches the file to a mode without a log, unless another server has it open: SQLite then returns an error.
pub(super) fn disable(connection: &mut SqliteConnection) -> QueryResult<()> {
    wait_for_locks(connection, Duration::from_millis(500))?;
    connection.batch_execute("PRAGMA journal_mode = DELETE")
}

/// Warns of a file that was copied while in use, or whose server crashed, and that has no log beside it. A server that
/// stops cleanly [disables](disable) the log, so the file itself shows this.
pub(super) fn warn_if_missing(database: &Path) {
    let log = beside(database);
    if is_logged(database).unwrap_or(false) && !log.exists() {
        tracing::warn!(
            database = %database.display(),
            log = %log.display(),
            "the database was in use when it was copied or its server ended, and its write-ahead log is not there: \
             what was written last may be missing. Nothing is, if another program or an older version has closed it \
             since, or it was copied by SQLite's backup; `broadsheet backup` copies a database that is in use"
        );
    }
}

/// Whether the header of the file says that it uses a write-ahead log.
fn is_logged(database: &Path) -> std::io::Result<bool> {
    const WRITE_AHEAD_LOG: [u8; 2] = [2, 2];
    let mut head = [0; 20];
    std::fs::File::open(database)?.read_exact(&mut head)?;
    Ok(head.starts_with(b"SQLite format 3\0") && head.ends_with(&WRITE_AHEAD_LOG))
}

/// The path of a database's log.
fn beside(database: &Path) -> PathBuf {
    // SQLite resolves symbolic links before it appends to the name.
    let followed = database.canonicalize();
    let mut path = followed
        .unwrap_or_else(|_| database.to_owned())
        .into_os_string();
    path.push("-wal");
    path.into()
}

#[cfg(test)]
mod tests {
    use super::super::connect::Target;
    use super::*;

    #[test]
    fn a_log_that_was_kept_is_copied_and_later_commits_copy_it_again() {
        const MEGABYTE: u64 = 1 << 20;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let mut connection = Target::File(path.clone()).establish().unwrap();
        let insert = "INSERT INTO t VALUES (randomblob(8388608))";
        let size = || path.metadata().unwrap().len();
        keep(&mut connection).unwrap();
        connection
            .batch_execute(&format!("CREATE TABLE t (bytes BLOB); {insert}"))
            .unwrap();
        assert!(size() < MEGABYTE);
        copy(&mut connection).unwrap();
        assert!(size() > 8 * MEGABYTE);
        connection.batch_execute(insert).unwrap();
        assert!(size() > 16 * MEGABYTE);
    }
}
