//! Importing articles: many in a transaction, with how far the import has come.
//!
//! As long as nothing is in the way, a chunk is one `COPY` on PostgreSQL and a few long statements on SQLite. Otherwise it
//! goes row by row, by what [`OnConflict`] says, and through the same function as `createArticles` where articles are made.

mod conflicts;

use std::sync::Arc;

use diesel::OptionalExtension as _;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{
    Connection as _, ExpressionMethods as _, QueryDsl as _, QueryResult, SqliteConnection,
};
use diesel_async::{AnsiTransactionManager, TransactionManager as _};

use self::conflicts::Chunk;
use super::connection::{Connection, run};
use super::drafts::Draft;
use super::postgres::copy;
use super::sql::tables::import_progress;
use super::sql::write::Insert;
use super::writes::retry;
use super::{Access, Store};
use crate::article::{Article, ArticleId, NewArticle};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use postgres_connect::PgConnection;

/// How many articles one statement inserts on SQLite.
const ROWS_OF_STATEMENT: usize = 200;

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
    /// [`Error::Internal`] with the first [`ImportConflict`] as its cause where `all_or_none` is set. The database does not answer, or takes no writes. Nothing was imported then.
    pub async fn import(
        &self,
        rows: Vec<Incoming>,
        on_conflict: OnConflict,
        all_or_none: bool,
        progress: Option<ImportProgress>,
    ) -> Result<Imported> {
        let drafts = self.incoming(rows).await?;
        let imported = retry(|| {
            let drafts = Arc::clone(&drafts);
            self.run(Access::Transaction, move |connection| {
                Box::pin(import_chunk(
                    connection,
                    drafts,
                    on_conflict,
                    all_or_none,
                    progress,
                ))
            })
        });
        imported.await.map(|imported| self.taken(imported))
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

    /// The one place where rows that are imported become articles, as new ones do.
    async fn incoming(&self, rows: Vec<Incoming>) -> Result<Arc<[IncomingDraft]>> {
        let mut new = Vec::with_capacity(rows.len());
        let mut others = Vec::with_capacity(rows.len());
        for row in rows {
            others.push((
                row.row,
                row.id,
                row.new.created_at,
                row.updated_at,
                row.version,
            ));
            new.push(row.new);
        }
        let drafts = self.drafts(new, self.0.clock.now()).await?;
        let incoming = drafts.into_iter().zip(others);
        let incoming =
            incoming.map(
                |(draft, (row, id, created_at, updated_at, version))| IncomingDraft {
                    row,
                    has_id: id.is_some(),
                    created_at,
                    version,
                    draft: draft.with(id, updated_at, version),
                },
            );
        Ok(incoming.collect())
    }
}

/// A row as the article that it becomes.
#[derive(Debug, Clone)]
struct IncomingDraft {
    row: u64,
    draft: Draft,
    /// Whether the row has one, so that an article may have it already.
    has_id: bool,
    created_at: Option<Timestamp>,
    version: Option<i32>,
}

async fn import_chunk(
    connection: &mut Connection<'_>,
    drafts: Arc<[IncomingDraft]>,
    on_conflict: OnConflict,
    all_or_none: bool,
    progress: Option<ImportProgress>,
) -> Result<Imported> {
    let imported = match insert_all(connection, &drafts).await? {
        true => Imported {
            created: drafts.len() as u64,
            ..Imported::default()
        },
        false => Chunk::new(drafts, on_conflict).import(connection).await?,
    };
    // An error takes what was written back with the transaction.
    if all_or_none && let Some(conflict) = imported.conflicts.first() {
        return Err(Error::internal(conflict.clone()));
    }
    if let Some(progress) = progress {
        keep(connection, progress).await?;
    }
    Ok(imported)
}

async fn keep(connection: &mut Connection<'_>, progress: ImportProgress) -> Result<()> {
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

/// Inserts all of the articles, or none where a slug is to be made, or another article has an id or a slug of theirs;
/// answers whether it did.
async fn insert_all(connection: &mut Connection<'_>, drafts: &[IncomingDraft]) -> Result<bool> {
    if drafts.iter().any(|row| row.draft.derived) {
        return Ok(false);
    }
    let inserted = match connection {
        Connection::Postgres(connection) => {
            let drafts = drafts.iter().map(|row| &row.draft);
            copy_all(connection, drafts).await
        }
        Connection::Sqlite(connection) => insert_statements(connection, drafts),
    };
    match inserted {
        Ok(()) => Ok(true),
        Err(
            DieselError::RollbackTransaction
            | DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _),
        ) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// In a savepoint, because an error would spoil the whole transaction.
async fn copy_all(
    connection: &mut PgConnection,
    drafts: impl Iterator<Item = &Draft> + Clone,
) -> QueryResult<()> {
    AnsiTransactionManager::begin_transaction(connection).await?;
    match copy(connection, drafts).await {
        Ok(()) => AnsiTransactionManager::commit_transaction(connection).await,
        Err(error) => {
            AnsiTransactionManager::rollback_transaction(connection).await?;
            Err(error)
        }
    }
}

async fn copy(
    connection: &mut PgConnection,
    drafts: impl Iterator<Item = &Draft> + Clone,
) -> QueryResult<()> {
    if let Some(parts) = copy::parts(drafts.clone()) {
        connection.copy_in(copy::INTO_PARTS, parts).await?;
    }
    connection
        .copy_in(copy::INTO_ARTICLES, copy::articles(drafts))
        .await?;
    Ok(())
}

fn insert_statements(
    connection: &mut SqliteConnection,
    drafts: &[IncomingDraft],
) -> QueryResult<()> {
    connection.transaction(|connection| {
        for rows in drafts.chunks(ROWS_OF_STATEMENT) {
            let articles: Vec<Article> = rows.iter().map(|row| row.draft.article.clone()).collect();
            let insert = Insert {
                articles: &articles,
                // Those come after the transaction's other statements.
                words: &[],
            };
            if diesel::RunQueryDsl::execute(insert, connection)? < rows.len() {
                return Err(DieselError::RollbackTransaction);
            }
        }
        Ok(())
    })
}
