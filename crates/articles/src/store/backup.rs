//! Backups of an SQLite database that prove themselves: checked before they have their name, and again before they
//! become a database.
//!
//! PostgreSQL has programs of its own for this.

mod seal;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use diesel::SqliteConnection;
use diesel::result::Error as DieselError;
use tempfile::{NamedTempFile, TempPath};

pub use self::seal::{Damage, Seal};
use super::sqlite::backup::{self as sqlite, CopyMark, Facts, FeedFacts};
use super::{OpenError, Store};
use crate::article::change::Epoch;
use crate::clock::Clock;
use crate::error::Error;
use crate::store::{DatabaseSettings, DatabaseUrl, SqliteLocation};

/// What a backup has, or a database that was made of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    pub bytes: u64,
    pub articles: i64,
    /// That of the feed's newest change; `None` before the migration that makes the feed.
    pub position: Option<i64>,
}

/// A database that was made of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    pub summary: Summary,
    /// The new epoch of the feed.
    pub epoch: Epoch,
    pub seal: Seal,
}

/// Why there is no backup, or no database made of one. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "a backup is made of a database in an SQLite file; for PostgreSQL use its own programs, such as pg_dump (see \
         docs/operations.md)"
    )]
    NoFile,
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    #[error("{} is there already; say --replace to put another in its place", .0.display())]
    Exists(PathBuf),
    #[error("{} is in use: stop the server first", .0.display())]
    InUse(PathBuf),
    #[error("{} is no database of Broadsheet's", .0.display())]
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

/// Copies the database, which may be served meanwhile, into `file`. The copy has one state of it, is checked, and has
/// everything on the disk before it gets its name.
///
/// # Errors
/// There is no `file` then, or what was there before.
pub async fn backup(
    settings: &DatabaseSettings,
    file: &Path,
    replace: bool,
) -> Result<Summary, BackupError> {
    let (database, file) = (database(settings)?, file.to_owned());
    blocking(move || make_backup(&database, &file, replace)).await
}

/// Makes the database of a backup: checks it, applies pending migrations and begins a new epoch of the feed, before it
/// gets its name.
///
/// # Errors
/// There is no database then, or what was there before.
pub async fn restore(
    settings: &DatabaseSettings,
    file: &Path,
    replace: bool,
) -> Result<Restored, BackupError> {
    let database = database(settings)?;
    let (of, into) = (file.to_owned(), database.clone());
    let (copy, seal) = blocking(move || check_backup(&of, &into, replace)).await?;
    // Opened as the server does, with all that it checks.
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
        seal,
    })
}

/// Brings a database up to date, and begins a new epoch of its feed.
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
    let before = ours(&mut source, database)?;
    let mut copy = temporary_beside(file)?;
    let path = copy.path().to_owned();
    let name = path.to_str().ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8");
        at(file)(error)
    })?;
    let mark = CopyMark::hold(database);
    sqlite::copy(&mut source, name)?;
    drop(mark);
    let after = ours(&mut source, database)?;
    let copied = sound(&path)?;
    compare(before, copied, after, &path)?;
    let permissions = fs::metadata(database).map_err(at(database))?.permissions();
    seal::seal(copy.as_file_mut())
        .and_then(|()| copy.as_file().set_permissions(permissions))
        .and_then(|()| copy.as_file().sync_all())
        .map_err(at(&path))?;
    let bytes = copy.as_file().metadata().map_err(at(&path))?.len();
    take_name(copy.into_temp_path(), file, replace)?;
    Ok(summary(copied, bytes))
}

/// A copy of the backup beside the database that is to be, which is whole.
fn check_backup(
    file: &Path,
    database: &Path,
    replace: bool,
) -> Result<(TempPath, Seal), BackupError> {
    require_file(file)?;
    may_take(database, replace)?;
    if file.canonicalize().ok() == database.canonicalize().ok() {
        return Err(BackupError::InUse(file.to_owned()));
    }
    let mut backup = File::open(file).map_err(at(file))?;
    let mut copy = temporary_beside(database)?;
    let unsealed = seal::unseal(&mut backup, copy.as_file_mut()).map_err(at(file))?;
    let damaged = |damage| BackupError::Damaged {
        path: file.to_owned(),
        damage,
    };
    let seal = unsealed.map_err(damaged)?;
    let permissions = fs::metadata(file).map_err(at(file))?.permissions();
    copy.as_file()
        .set_permissions(permissions)
        .map_err(at(database))?;
    match sound(copy.path()) {
        Ok(_) => Ok((copy.into_temp_path(), seal)),
        Err(BackupError::Sqlite(said)) => Err(damaged(Damage::Inconsistent(said))),
        Err(BackupError::Damaged { damage, .. }) => Err(damaged(damage)),
        Err(BackupError::NotOurs(_)) => Err(BackupError::NotOurs(file.to_owned())),
        Err(error) => Err(error),
    }
}

fn finish_restore(copy: TempPath, database: &Path, replace: bool) -> Result<Summary, BackupError> {
    let facts = sound(&copy)?;
    let file = File::open(&copy).map_err(at(&copy))?;
    file.sync_all().map_err(at(&copy))?;
    let bytes = file.metadata().map_err(at(&copy))?.len();
    if database.exists() {
        let in_use = |_| BackupError::InUse(database.to_owned());
        sqlite::close_for_good(database).map_err(in_use)?;
    }
    // A log that is left of the old database would be taken for one of the new.
    for path in sqlite::files_beside(database) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
    }
    take_name(copy, database, replace)?;
    Ok(summary(facts, bytes))
}

fn summary(facts: Facts, bytes: u64) -> Summary {
    Summary {
        bytes,
        articles: facts.articles,
        position: facts.feed.map(|feed| feed.position),
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

/// Asked before anything is done; [`take_name`] makes sure of it.
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

/// In the same directory, so that it can take the name at once; gone where it does not.
fn temporary_beside(path: &Path) -> Result<NamedTempFile, BackupError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".partial")
        .tempfile_in(directory_of(path))
        .map_err(at(path))
}

/// Gives a file its name, on the disk, too.
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

fn ours(connection: &mut SqliteConnection, path: &Path) -> Result<Facts, BackupError> {
    let facts = sqlite::facts(connection)?;
    facts.ok_or_else(|| BackupError::NotOurs(path.to_owned()))
}

/// What a copy has, which is whole by all that SQLite can tell.
fn sound(copy: &Path) -> Result<Facts, BackupError> {
    let mut connection = sqlite::open_copy(copy)?;
    if let Some(fault) = sqlite::fault(&mut connection)? {
        return Err(BackupError::Damaged {
            path: copy.to_owned(),
            damage: Damage::Inconsistent(fault),
        });
    }
    ours(&mut connection, copy)
}

/// Checks that a copy has a state between two that the database had.
fn compare(before: Facts, copied: Facts, after: Facts, copy: &Path) -> Result<(), BackupError> {
    let (Some(first), Some(feed), Some(last)) = (before.feed, copied.feed, after.feed) else {
        return Ok(());
    };
    let positions = |FeedFacts { position, .. }| position;
    if !(positions(first)..=positions(last)).contains(&feed.position) {
        return Err(BackupError::Differs(format!(
            "its feed is at {}, and that of the database went from {} to {}",
            feed.position, first.position, last.position
        )));
    }
    // What is no longer kept cannot be counted.
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
