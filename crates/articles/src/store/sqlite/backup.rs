//! What backups need from SQLite: copying a snapshot of the database, and checking that it is intact.

use std::fs::File;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{
    Connection as _, ConnectionError, QueryDsl as _, QueryResult, QueryableByName,
    RunQueryDsl as _, SqliteConnection,
};

use super::fault::is_busy;
use super::{BUSY_TIMEOUT, write_ahead_log};
use crate::article::change::Epoch;
use crate::store::sql::tables::feed;

/// The contents of a database, to compare with those of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Contents {
    pub(in crate::store) articles: i64,
    /// `None` before the migration that creates the feed.
    pub(in crate::store) feed: Option<FeedContents>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct FeedContents {
    pub(in crate::store) epoch: Epoch,
    /// Changes up to this position are no longer kept.
    pub(in crate::store) floor: i64,
    /// The position of the newest change.
    pub(in crate::store) position: i64,
}

/// Opens a file that other programs may be using, and does not change it.
pub(in crate::store) fn open(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    let mut connection = SqliteConnection::establish(name(path)?)?;
    write_ahead_log::wait_for_locks(&mut connection, BUSY_TIMEOUT)
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Opens a file that no other program uses, for reading, and creates no files beside it.
pub(in crate::store) fn open_copy(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    let mut uri = String::from("file:");
    for part in name(path)?.chars() {
        match part {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            other => uri.push(other),
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    SqliteConnection::establish(&uri)
}

fn name(path: &Path) -> Result<&str, ConnectionError> {
    let not_utf8 = || ConnectionError::BadConnection("the path is not UTF-8".to_owned());
    path.to_str().ok_or_else(not_utf8)
}

/// Whether the database has this table.
fn has_table(connection: &mut SqliteConnection, name: &str) -> QueryResult<bool> {
    let found = sql::<Bool>("EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ")
        .bind::<Text, _>(name)
        .sql(")");
    diesel::select(found).get_result(connection)
}

/// The contents of the database, from one snapshot; `None` where it is not a database of this program.
pub(in crate::store) fn contents(
    connection: &mut SqliteConnection,
) -> QueryResult<Option<Contents>> {
    connection.transaction(|connection| {
        if !has_table(connection, "article")? {
            return Ok(None);
        }
        let count = sql::<BigInt>("(SELECT count(*) FROM article)");
        let articles = diesel::select(count).get_result(connection)?;
        let feed = if has_table(connection, "feed")? {
            let head = sql::<BigInt>("coalesce((SELECT max(position) FROM article_change), floor)");
            let (epoch, floor, position) = feed::table
                .select((feed::epoch, feed::floor, head))
                .first(connection)?;
            Some(FeedContents {
                epoch,
                floor,
                position,
            })
        } else {
            None
        };
        Ok(Some(Contents { articles, feed }))
    })
}

/// The net number of articles that the changes after a position added.
pub(in crate::store) fn growth_after(
    connection: &mut SqliteConnection,
    position: i64,
) -> QueryResult<i64> {
    let growth = sql::<BigInt>(
        "(SELECT coalesce(sum(CASE kind WHEN 1 THEN 1 WHEN 3 THEN -1 ELSE 0 END), 0) FROM article_change WHERE position > ",
    )
    .bind::<BigInt, _>(position)
    .sql(")");
    diesel::select(growth).get_result(connection)
}

/// Copies a snapshot of the database into an empty file. Writers are not blocked.
pub(in crate::store) fn copy(connection: &mut SqliteConnection, file: &str) -> QueryResult<()> {
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(file)
        .execute(connection)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Checked {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// What is wrong with the pages, the indexes, the constraints or the search index; `None` where nothing is.
pub(in crate::store) fn fault(connection: &mut SqliteConnection) -> QueryResult<Option<String>> {
    let checked: Vec<Checked> = diesel::sql_query("PRAGMA integrity_check(1)").load(connection)?;
    let first = checked.into_iter().next().map(|row| row.integrity_check);
    Ok(first.filter(|result| result != "ok"))
}

/// Checks that no program uses a database, and that no files of SQLite remain beside it. A file that is not a database
/// passes.
///
/// # Errors
/// A program uses it.
pub(in crate::store) fn close_for_good(path: &Path) -> QueryResult<()> {
    if let Ok(mut connection) = open(path)
        && let Err(error) = connection.batch_execute("PRAGMA journal_mode = DELETE")
        && is_busy(&error)
    {
        return Err(error);
    }
    Ok(())
}

/// The files that SQLite keeps beside a database while it is in use.
pub(in crate::store) fn files_beside(path: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|ending| beside(path, ending))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A file that shows the servers of a database that it is being copied: they let the write-ahead log grow rather than
/// block writers until it can be emptied. Without it the copy is just as good, but writers are slower.
pub(in crate::store) struct CopyMark {
    path: PathBuf,
    file: Option<File>,
}

impl CopyMark {
    pub(in crate::store) fn hold(database: &Path) -> Self {
        let path = mark(database);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.and_then(|file| file.lock_shared().map(|()| file)).ok();
        Self { path, file }
    }
}

impl Drop for CopyMark {
    fn drop(&mut self) {
        // Unless another copy is running.
        if let Some(file) = self.file.take()
            && file.unlock().is_ok()
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether another process holds a [`CopyMark`].
pub(super) fn is_being_copied(database: &Path) -> bool {
    File::open(mark(database)).is_ok_and(|file| file.try_lock().is_err())
}

fn mark(database: &Path) -> PathBuf {
    let followed = database.canonicalize();
    beside(followed.as_deref().unwrap_or(database), "-backup")
}
