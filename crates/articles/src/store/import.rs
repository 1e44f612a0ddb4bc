//! Imports articles: many in a transaction, which also stores the progress of the import.
//!
//! A chunk without conflicts is one `COPY` on PostgreSQL, and one statement per row on SQLite. A chunk with conflicts
//! is written row by row, following [`OnConflict`]; new articles are then created by the same function as for
//! `createArticles`.
//!
//! On SQLite the words for the search are always computed afterwards (`indexing/due.rs`), because indexing them takes
//! several times as long as writing the rows; on PostgreSQL they are sent with the rows, unless they are to be indexed
//! [later](ImportIndex::Later).

mod conflicts;
mod prepared;

use std::sync::Arc;

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};

use self::conflicts::Chunk;
use self::prepared::IncomingDraft;
pub use self::prepared::PreparedRows;
use super::bulk_creates::unless_taken;
use super::connection::{Connection, run};
use super::sql::tables::import_progress;
use super::writes::retry;
use super::{Access, Store, postgres, sqlite};
use crate::article::{ArticleId, NewArticle};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// A row of the source, with valid values.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its number in the source, starting at 1.
    pub row: u64,
    /// Generated at the time of the import where it is `None`; so are the other fields.
    pub id: Option<ArticleId>,
    pub new: NewArticle,
    pub updated_at: Option<Timestamp>,
    pub version: Option<i32>,
}

/// What to do with a row whose id or slug another article has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It is not imported, and counts as an error.
    Error,
    /// It is not imported.
    Skip,
    /// It replaces the other article.
    Replace,
}

/// When the words of imported articles are indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportIndex {
    /// Before the import ends.
    Now,
    /// In the background, by a server.
    Later,
}

/// The progress of importing a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// The SHA-256 of the source's name.
    pub source: [u8; 32],
    /// The number of rows that are imported.
    pub row_count: u64,
    /// The SHA-256 of these rows.
    pub digest: [u8; 32],
    /// Whether those are all rows of the source.
    pub is_finished: bool,
}

/// The result of importing a chunk.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    pub created: u64,
    pub replaced: u64,
    pub skipped: u64,
    /// The rows that were not imported because of [`OnConflict::Error`].
    pub conflicts: Vec<ImportConflict>,
}

/// A row that conflicts with an article in the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {field}: {reason}")]
pub struct ImportConflict {
    /// As [`Incoming::row`].
    pub row: u64,
    pub field: &'static str,
    pub reason: String,
}

impl Store {
    /// Imports rows in one transaction, and stores the progress after them. Rows with conflicts are left out and
    /// reported.
    ///
    /// # Errors
    /// [`Error::Internal`] with the first [`ImportConflict`] as its cause where `all_or_none` is set. The database does
    /// not answer, or takes no writes. Nothing was imported then.
    pub async fn import(
        &self,
        rows: PreparedRows,
        on_conflict: OnConflict,
        all_or_none: bool,
        progress: Option<ImportProgress>,
    ) -> Result<Imported> {
        let drafts = rows.0;
        let has_slugs = !drafts.iter().any(|row| row.draft.derived);
        let at_once = if has_slugs {
            let drafts = Arc::clone(&drafts);
            self.run(Access::Bulk, move |connection| {
                Box::pin(import_at_once(connection, drafts, progress))
            })
            .await
        } else {
            Err(Error::Raced)
        };
        let imported = match at_once {
            // The transaction has rolled back all writes.
            Err(Error::Raced) => {
                let one_by_one = retry(|| {
                    let drafts = Arc::clone(&drafts);
                    self.run(Access::Bulk, move |connection| {
                        Box::pin(import_one_by_one(
                            connection,
                            drafts,
                            on_conflict,
                            all_or_none,
                            progress,
                        ))
                    })
                });
                one_by_one.await
            }
            done => done,
        };
        imported.map(|imported| self.taken(imported))
    }

    /// The progress of importing a source; `None` where the import has not begun.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn import_progress(&self, source: [u8; 32]) -> Result<Option<ImportProgress>> {
        self.run(Access::Read, move |connection| {
            Box::pin(async move {
                let found = run!(connection, |c| import_progress::table
                    .filter(import_progress::source.eq(source.as_slice()))
                    .select((
                        import_progress::row_count,
                        import_progress::digest,
                        import_progress::is_finished
                    ))
                    .get_result::<(i64, Vec<u8>, bool)>(c));
                let found = found.optional()?;
                Ok(
                    found.map(|(row_count, digest, is_finished)| ImportProgress {
                        source,
                        row_count: u64::try_from(row_count).unwrap_or_default(),
                        digest: digest.try_into().unwrap_or_default(),
                        is_finished,
                    }),
                )
            })
        })
        .await
    }
}

/// Inserts all of the articles in one go.
///
/// # Errors
/// [`Error::Raced`] where an existing article, or another of these, has the same id or slug.
async fn import_at_once(
    connection: &mut Connection<'_>,
    drafts: Arc<[IncomingDraft]>,
    progress: Option<ImportProgress>,
) -> Result<Imported> {
    let inserted = match connection {
        Connection::Postgres(connection) => {
            let drafts = drafts.iter().map(|row| &row.draft);
            postgres::bulk::insert(connection, drafts).await
        }
        Connection::Sqlite(connection) => {
            let articles = drafts.iter().map(|row| &row.draft.article);
            sqlite::bulk::insert(connection, articles)
        }
    };
    inserted.map_err(unless_taken)?;
    keep(connection, progress).await?;
    Ok(Imported {
        created: drafts.len() as u64,
        ..Imported::default()
    })
}

async fn import_one_by_one(
    connection: &mut Connection<'_>,
    drafts: Arc<[IncomingDraft]>,
    on_conflict: OnConflict,
    all_or_none: bool,
    progress: Option<ImportProgress>,
) -> Result<Imported> {
    let imported = Chunk::new(drafts, on_conflict).import(connection).await?;
    // The error rolls back the transaction.
    if all_or_none && let Some(conflict) = imported.conflicts.first() {
        return Err(Error::internal(conflict.clone()));
    }
    keep(connection, progress).await?;
    Ok(imported)
}

async fn keep(connection: &mut Connection<'_>, progress: Option<ImportProgress>) -> Result<()> {
    let Some(progress) = progress else {
        return Ok(());
    };
    let row_count = i64::try_from(progress.row_count).unwrap_or(i64::MAX);
    run!(connection, |c| diesel::insert_into(import_progress::table)
        .values((
            import_progress::source.eq(progress.source.as_slice()),
            import_progress::row_count.eq(row_count),
            import_progress::digest.eq(progress.digest.as_slice()),
            import_progress::is_finished.eq(progress.is_finished),
        ))
        .on_conflict(import_progress::source)
        .do_update()
        .set((
            import_progress::row_count.eq(row_count),
            import_progress::digest.eq(progress.digest.as_slice()),
            import_progress::is_finished.eq(progress.is_finished),
        ))
        .execute(c))?;
    Ok(())
}
