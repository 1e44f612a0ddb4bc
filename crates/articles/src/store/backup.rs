//! Backups of SQLite databases, verified before they get their final name and again before they are restored.
//!
//! PostgreSQL has its own tools for this.

mod checksum;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use diesel::SqliteConnection;
use diesel::result::Error as DieselError;
use tempfile::{NamedTempFile, TempPath};

pub use self::checksum::{Checksum, Damage};
use super::sqlite::backup::{self as sqlite, Contents, CopyMark, FeedContents};
use super::{OpenError, Store};
use crate::article::change::Epoch;
use crate::clock::Clock;
use crate::error::Error;
use crate::store::{DatabaseSettings, DatabaseUrl, SqliteLocation};

/// The contents of a backup, or of a database restored from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    pub bytes: u64,
    pub articles: i64,
    /// The position of the feed's newest change; `None` before the migration that creates the feed.
    pub position: Option<i64>,
}

/// The result of restoring a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    pub summary: Summary,
    /// The new epoch of the feed.
    pub epoch: Epoch,
    pub checksum: Checksum,
}

/// Why a backup or a restore failed. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "only a database in an SQLite file can be backed up; for PostgreSQL use its own tools, such as pg_dump (see \
         docs/operations.md)"
    )]
    NoFile,
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    #[error("{} already exists; --replace overwrites it", .0.display())]
    Exists(PathBuf),
    #[error("{} is in use: stop the server first", .0.display())]
    InUse(PathBuf),
    #[error("{} is not a Broadsheet database", .0.display())]
    NotOurs(PathBuf),
    #[error("{} is damaged: {damage}", .path.display())]
    Damaged { path: PathBuf, damage: Damage },
    #[error("the copy differs from the database: {0}")]
    Differs(String),
    #[error("{}: {error}", .path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("SQLite failed: {0}")]
    Sqlite(String),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the backup could not be brought up to date: {0}")]
    Migrate(#[from] Error),
}

impl From<DieselError> for BackupError {
    fn from(error: DieselError) -> Self {
        Self::Sqlite(error.to_string())
    }
}

impl From<diesel::ConnectionError> for BackupError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::Sqlite(error.to_string())
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::File {
        path: path.clone(),
        error,
    }
}

/// Copies the database, which may be in use, into `file`. The copy is a consistent snapshot; it is verified and synced
/// to disk before it gets its name.
///
/// # Errors
/// `file` does not exist then, or is what it was before.
pub async fn backup(
    settings: &DatabaseSettings,
    file: &Path,
    replace: bool,
) -> Result<Summary, BackupError> {
    let (database, file) = (database(settings)?, file.to_owned());
    blocking(move || make_backup(&database, &file, replace)).await
}

/// Restores a database from a backup: verifies it, applies pending migrations and begins a new epoch of the feed,
/// before it gets its name.
///
/// # Errors
/// The database does not exist then, or is what it was before.
pub async fn restore(
    settings: &DatabaseSettings,
    file: &Path,
    replace: bool,
) -> Result<Restored, BackupError> {
    let database = database(settings)?;
    let (of, into) = (file.to_owned(), database.clone());
    let (copy, checksum) = blocking(move || check_backup(&of, &into, replace)).await?;
    // Opened as a server opens it, with all its checks.
    let here = DatabaseSettings {
        url: DatabaseUrl::Sqlite(SqliteLocation::File(copy.to_path_buf())),
        force_roll_back: false,
        ..settings.clone()
    };
    let begun = begin_epoch(&here).await;
    if begun.is_err() {
        for path in sqlite::files_beside(&copy) {
            let _ = fs::remove_file(path);
        }
    }
    let epoch = begun?;
    let summary = blocking(move || finish_restore(copy, &database, replace)).await?;
    Ok(Restored {
        summary,
        epoch,
        checksum,
    })
}

/// Migrates a database, and begins a new epoch of its feed.
async fn begin_epoch(settings: &DatabaseSettings) -> Result<Epoch, BackupError> {
    let store = Store::open(settings, Clock::system(), true).await?;
    let begun = store.begin_feed_epoch().await;
    store.close().await;
    Ok(begun?)
}

fn database(settings: &DatabaseSettings) -> Result<PathBuf, BackupError> {
    match &settings.url {
        DatabaseUrl::Sqlite(SqliteLocation::File(path)) => Ok(path.clone()),
        DatabaseUrl::Sqlite(SqliteLocation::Memory) | DatabaseUrl::Postgres(_) => {
            Err(BackupError::NoFile)
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(BackupError::Sqlite(error.to_string())))
}

fn make_backup(database: &Path, file: &Path, replace: bool) -> Result<Summary, BackupError> {
    require_file(database)?;
    may_take(file, replace)?;
    if file.canonicalize().ok() == database.canonicalize().ok() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let mut source = sqlite::open(database)?;
    let before = contents_of(&mut source, database)?;
    let mut copy = temporary_beside(file)?;
    let path = copy.path().to_owned();
    let name = path.to_str().ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8");
        at(file)(error)
    })?;
    let mark = CopyMark::hold(database);
    sqlite::copy(&mut source, name)?;
    drop(mark);
    let after = contents_of(&mut source, database)?;
    let copied = checked_contents(&path)?;
    compare(before, copied, after, &path)?;
    let permissions = fs::metadata(database).map_err(at(database))?.permissions();
    checksum::append(copy.as_file_mut())
        .and_then(|()| copy.as_file().set_permissions(permissions))
        .and_then(|()| copy.as_file().sync_all())
        .map_err(at(&path))?;
    let bytes = copy.as_file().metadata().map_err(at(&path))?.len();
    take_name(copy.into_temp_path(), file, replace)?;
    Ok(summary(copied, bytes))
}

/// A verified copy of the backup, in the directory of the future database.
fn check_backup(
    file: &Path,
    database: &Path,
    replace: bool,
) -> Result<(TempPath, Checksum), BackupError> {
    require_file(file)?;
    may_take(database, replace)?;
    if file.canonicalize().ok() == database.canonicalize().ok() {
        return Err(BackupError::InUse(file.to_owned()));
    }
    let mut backup = File::open(file).map_err(at(file))?;
    let mut copy = temporary_beside(database)?;
    let verified = checksum::copy_verified(&mut backup, copy.as_file_mut()).map_err(at(file))?;
    let damaged = |damage| BackupError::Damaged {
        path: file.to_owned(),
        damage,
    };
    let checksum = verified.map_err(damaged)?;
    let permissions = fs::metadata(file).map_err(at(file))?.permissions();
    copy.as_file()
        .set_permissions(permissions)
        .map_err(at(database))?;
    match checked_contents(copy.path()) {
        Ok(_) => Ok((copy.into_temp_path(), checksum)),
        Err(BackupError::Sqlite(message)) => Err(damaged(Damage::Inconsistent(message))),
        Err(BackupError::Damaged { damage, .. }) => Err(damaged(damage)),
        Err(BackupError::NotOurs(_)) => Err(BackupError::NotOurs(file.to_owned())),
        Err(error) => Err(error),
    }
}

fn finish_restore(copy: TempPath, database: &Path, replace: bool) -> Result<Summary, BackupError> {
    let contents = checked_contents(&copy)?;
    let file = File::open(&copy).map_err(at(&copy))?;
    file.sync_all().map_err(at(&copy))?;
    let bytes = file.metadata().map_err(at(&copy))?.len();
    if database.exists() {
        let in_use = |_| BackupError::InUse(database.to_owned());
        sqlite::close_for_good(database).map_err(in_use)?;
    }
    // SQLite would take a write-ahead log of the old database for the new one's.
    for path in sqlite::files_beside(database) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
    }
    take_name(copy, database, replace)?;
    Ok(summary(contents, bytes))
}

fn summary(contents: Contents, bytes: u64) -> Summary {
    Summary {
        bytes,
        articles: contents.articles,
        position: contents.feed.map(|feed| feed.position),
    }
}

fn require_file(path: &Path) -> Result<(), BackupError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(BackupError::NotOurs(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(BackupError::Missing(path.to_owned()))
        }
        Err(error) => Err(at(path)(error)),
    }
}

/// Checked before any work is done; [`take_name`] enforces it.
fn may_take(path: &Path, replace: bool) -> Result<(), BackupError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() || !replace => Err(BackupError::Exists(path.to_owned())),
        _ => Ok(()),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    }
}

/// A temporary file in the same directory, so that it can be renamed atomically; deleted unless it is.
fn temporary_beside(path: &Path) -> Result<NamedTempFile, BackupError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".partial")
        .tempfile_in(directory_of(path))
        .map_err(at(path))
}

/// Renames a file, and syncs its directory.
fn take_name(file: TempPath, name: &Path, replace: bool) -> Result<(), BackupError> {
    let taken = match replace {
        true => file.persist(name),
        false => file.persist_noclobber(name),
    };
    taken.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(name.to_owned()),
        _ => at(name)(error.error),
    })?;
    let directory = directory_of(name);
    let synchronized = File::open(directory).and_then(|directory| directory.sync_all());
    synchronized.map_err(at(directory))
}

fn contents_of(connection: &mut SqliteConnection, path: &Path) -> Result<Contents, BackupError> {
    let contents = sqlite::contents(connection)?;
    contents.ok_or_else(|| BackupError::NotOurs(path.to_owned()))
}

/// The contents of a copy that passes SQLite's own checks.
fn checked_contents(copy: &Path) -> Result<Contents, BackupError> {
    let mut connection = sqlite::open_copy(copy)?;
    if let Some(fault) = sqlite::fault(&mut connection)? {
        return Err(BackupError::Damaged {
            path: copy.to_owned(),
            damage: Damage::Inconsistent(fault),
        });
    }
    contents_of(&mut connection, copy)
}

/// Checks that a copy's state lies between two states of the database.
fn compare(
    before: Contents,
    copied: Contents,
    after: Contents,
    copy: &Path,
) -> Result<(), BackupError> {
    let (Some(first), Some(feed), Some(last)) = (before.feed, copied.feed, after.feed) else {
        return Ok(());
    };
    let positions = |FeedContents { position, .. }| position;
    if !(positions(first)..=positions(last)).contains(&feed.position) {
        return Err(BackupError::Differs(format!(
            "its feed is at {}, and that of the database went from {} to {}",
            feed.position, first.position, last.position
        )));
    }
    // Changes that are no longer kept cannot be counted.
    if feed.floor <= first.position && feed.epoch == first.epoch {
        let growth = sqlite::growth_after(&mut sqlite::open_copy(copy)?, first.position)?;
        if before.articles + growth != copied.articles {
            return Err(BackupError::Differs(format!(
                "it has {} articles where there are {}",
                copied.articles,
                before.articles + growth
            )));
        }
    }
    Ok(())
}
