//! Diesel's migrations, embedded in the binary: one tree per database, with the same versions.

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Cause;

pub(super) static POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
pub(super) static SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// What to do with the migrations of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrate {
    /// Apply all that are pending.
    Up,
    /// Revert the one that was applied last.
    Down,
    /// Change nothing.
    Status,
}

/// Which migrations a database has, by their versions, each list ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrationStatus {
    pub applied: Vec<String>,
    /// Known to this binary and not applied yet.
    pub pending: Vec<String>,
    /// Applied and unknown to this binary: the database is newer than the binary.
    pub unknown: Vec<String>,
}

/// Why the migrations could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error(
        "the database is newer than this binary: it has the migrations {}, which this binary does not know; start a \
         newer binary",
        .0.join(", ")
    )]
    NewerDatabase(Vec<String>),
    #[error("a migration failed: {0}")]
    Failed(#[source] Cause),
}

impl MigrationStatus {
    /// Compares the applied migrations with those that this binary knows.
    pub(super) fn compare(known: &[String], mut applied: Vec<String>) -> Self {
        applied.sort_unstable();
        Self {
            pending: known
                .iter()
                .filter(|version| !applied.contains(version))
                .cloned()
                .collect(),
            unknown: applied
                .iter()
                .filter(|version| !known.contains(version))
                .cloned()
                .collect(),
            applied,
        }
    }
}

/// Executes `action` on a connection that holds a lock against other migrations, and returns the resulting status.
/// `is_migrated` says whether the table of migrations exists, which Diesel would create when reading it.
pub(super) fn migrate<DB: Backend>(
    harness: &mut impl MigrationHarness<DB>,
    tree: &EmbeddedMigrations,
    is_migrated: bool,
    action: Migrate,
) -> Result<MigrationStatus, MigrationError> {
    let migrations = sorted::<DB>(tree).map_err(MigrationError::Failed)?;
    let known = versions(&migrations);
    if !is_migrated && action != Migrate::Up {
        return Ok(MigrationStatus::compare(&known, Vec::new()));
    }
    let before = status(harness, &known)?;
    if action == Migrate::Status {
        return Ok(before);
    }
    if !before.unknown.is_empty() {
        return Err(MigrationError::NewerDatabase(before.unknown));
    }
    for (migration, version) in migrations.iter().zip(&known) {
        if action == Migrate::Up && before.pending.contains(version) {
            harness
                .run_migration(&**migration)
                .map_err(MigrationError::Failed)?;
            tracing::info!(migration = %migration.name(), "migration applied");
        }
        if action == Migrate::Down && before.applied.last() == Some(version) {
            harness
                .revert_migration(&**migration)
                .map_err(MigrationError::Failed)?;
            tracing::info!(migration = %migration.name(), "migration reverted");
        }
    }
    status(harness, &known)
}

fn status<DB: Backend>(
    harness: &mut impl MigrationHarness<DB>,
    known: &[String],
) -> Result<MigrationStatus, MigrationError> {
    let applied = harness
        .applied_migrations()
        .map_err(MigrationError::Failed)?;
    let applied = applied.iter().map(ToString::to_string).collect();
    Ok(MigrationStatus::compare(known, applied))
}

/// The versions of a tree, ascending.
pub(super) fn known<DB: Backend>(tree: &EmbeddedMigrations) -> Result<Vec<String>, Cause> {
    Ok(versions(&sorted::<DB>(tree)?))
}

pub(super) fn sorted<DB: Backend>(
    tree: &EmbeddedMigrations,
) -> Result<Vec<Box<dyn Migration<DB>>>, Cause> {
    let mut migrations = tree.migrations()?;
    migrations.sort_unstable_by(|a, b| a.name().version().cmp(&b.name().version()));
    Ok(migrations)
}

fn versions<DB: Backend>(migrations: &[Box<dyn Migration<DB>>]) -> Vec<String> {
    migrations
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect()
}
