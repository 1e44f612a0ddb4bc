//! Importing articles: many in a transaction, with how far the import has come.
//!
//! As long as nothing is in the way, a chunk is one `COPY` on PostgreSQL and one statement for each row on SQLite.
//! Otherwise it goes row by row, by what [`OnConflict`] says, and through the same function as `createArticles` where
//! articles are made.
//!
//! On SQLite the words that articles are found by are always made afterwards (`indexing/due.rs`), because to index them
//! takes several times as long as to write the rows; on PostgreSQL they are sent with the rows, unless they are to come
//! [later](ImportIndex::Later).

mod conflicts;
mod prepared;

use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult};

use self::conflicts::Chunk;
use self::prepared::IncomingDraft;
pub use self::prepared::PreparedRows;
use super::connection::{Connection, run};
use super::drafts::Draft;
use super::postgres::copy;
use super::sql::tables::import_progress;
use super::writes::retry;
use super::{Access, Store, sqlite};
use crate::article::{ArticleId, NewArticle};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use postgres_connect::PgConnection;

/// A row of what is imported, whose values are valid.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its number in the source, from 1.
    pub row: u64,
    /// Made at the moment of the import where it is `None`; so are the others.
    pub id: Option<ArticleId>,
    pub new: NewArticle,
    pub updated_at: Option<Timestamp>,
    pub version: Option<i32>,
}

/// What becomes of a row whose id or slug another article has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It is not imported, and that is an error.
    Error,
    /// It is not imported.
    Skip,
    /// It takes the other's place.
    Replace,
}

/// When the words that imported articles are found by are indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportIndex {
    /// Before the import ends.
    Now,
    /// In the background, by a server.
    Later,
}

/// How far the import of a source has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// The SHA-256 of the source's name.
    pub source: [u8; 32],
    /// How many of its rows are done.
    pub row_count: u64,
    /// The SHA-256 of these rows.
    pub digest: [u8; 32],
    /// Whether those are all.
    pub is_finished: bool,
}

/// What became of the rows of a chunk.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    pub created: u64,
    pub replaced: u64,
    pub skipped: u64,
    /// The rows that [`OnConflict::Error`] keeps out.
    pub conflicts: Vec<ImportConflict>,
}

/// A row that could not be imported because of what is in the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {field}: {reason}")]
pub struct ImportConflict {
    /// As [`Incoming::row`].
    pub row: u64,
    pub field: &'static str,
    pub reason: String,
}

impl Store {
    /// Imports rows in one transaction, with how far the import has come then. Rows with conflicts are left out and
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
            // What was written is gone with its transaction.
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

    /// How far the import of a source has come; `None` where it has not begun.
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

/// Inserts all of the articles.
///
/// # Errors
/// [`Error::Raced`] where an article that is there, or another of these, has an id or a slug of theirs.
async fn import_at_once(
    connection: &mut Connection<'_>,
    drafts: Arc<[IncomingDraft]>,
    progress: Option<ImportProgress>,
) -> Result<Imported> {
    let inserted = match connection {
        Connection::Postgres(connection) => {
            copy(connection, drafts.iter().map(|row| &row.draft)).await
        }
        Connection::Sqlite(connection) => {
            let articles = drafts.iter().map(|row| &row.draft.article);
            sqlite::bulk::insert(connection, articles)
        }
    };
    match inserted {
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            return Err(Error::Raced);
        }
        done => done?,
    }
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
    // An error takes what was written back with the transaction.
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

async fn copy(
    connection: &mut PgConnection,
    drafts: impl Iterator<Item = &Draft> + Clone,
) -> QueryResult<()> {
    if let Some(parts) = copy::parts(drafts.clone()) {
        connection.copy_in(copy::INTO_PARTS, parts).await?;
    }
    connection
        .copy_in(copy::INTO_ARTICLES, copy::articles(drafts.clone()))
        .await?;
    if let Some(due) = copy::due(drafts) {
        connection.copy_in(copy::INTO_DUE, due).await?;
    }
    Ok(())
}
