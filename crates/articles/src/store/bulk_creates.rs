//! Creates several articles in one transaction, as if one after the other.
//!
//! Decision: `docs/decisions/0018-bulk-creates.md`.

use std::collections::HashSet;
use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{ExpressionMethods as _, QueryDsl as _};

use super::connection::{Connection, run};
use super::drafts::Draft;
use super::postgres::insert::InsertMany;
use super::postgres::pending_lists;
use super::postgres::vector::Words;
use super::slugs::{self, Numbers};
use super::sql::tables::article;
use super::sql::write::Insert;
use super::{Access, postgres, sqlite, statements};
use crate::article::{Article, ArticleId, Slug};
use crate::error::{Error, Result};

/// The minimum number of articles that are created with [`Access::Many`].
pub(super) const MANY: usize = 32;

/// How a transaction that creates this number of articles runs.
pub(super) fn access(articles: usize) -> Access {
    match articles < MANY {
        true => Access::Transaction,
        false => Access::Many,
    }
}

/// Creates the articles, and indexes them for the search. After the commit, [`Store::empty_pending_lists`] must follow.
///
/// [`Store::empty_pending_lists`]: super::Store::empty_pending_lists
pub(super) async fn create_indexed(
    connection: &mut Connection<'_>,
    drafts: Vec<Draft>,
) -> Result<Vec<Article>> {
    let is_indexed = drafts.len() >= MANY;
    if is_indexed && let Connection::Postgres(connection) = connection {
        pending_lists::defer(connection).await?;
    }
    create(connection, drafts, is_indexed).await
}

/// Creates the articles. Those without words are indexed by the end of the transaction, or later.
pub(super) async fn create_all(
    connection: &mut Connection<'_>,
    drafts: Vec<Draft>,
) -> Result<Vec<Article>> {
    create(connection, drafts, false).await
}

async fn create(
    connection: &mut Connection<'_>,
    drafts: Vec<Draft>,
    is_indexed: bool,
) -> Result<Vec<Article>> {
    let wanted: HashSet<&String> = drafts.iter().map(|draft| &draft.article.slug).collect();
    let wanted = wanted.into_iter().cloned().collect();
    let mut taken = taken_slugs(connection, wanted).await?;
    slugs::lock(connection, to_be_numbered(&drafts, &taken)).await?;
    let mut numbers = Numbers::default();
    let mut articles = Vec::with_capacity(drafts.len());
    let mut words = Vec::with_capacity(drafts.len());
    for (number, draft) in drafts.into_iter().enumerate() {
        let mut article = draft.article;
        if taken.contains(&article.slug) {
            if !draft.derived {
                return Err(Error::SlugTaken {
                    article: number,
                    slug: article.slug,
                });
            }
            article.slug = numbers.give(connection, &draft.slug, &taken).await?;
        }
        taken.insert(article.slug.clone());
        articles.push(article);
        words.extend(draft.words);
    }
    let articles = Arc::new(articles);
    let inserted = match connection {
        Connection::Sqlite(connection) if is_indexed => {
            let inserted = sqlite::bulk::create(connection, &articles)?;
            statements::rows(inserted);
            inserted
        }
        Connection::Postgres(connection) if is_indexed => {
            let inserted = postgres::bulk::create(connection, &articles).await;
            let inserted = inserted.map_err(unless_taken)?;
            statements::rows(inserted);
            inserted
        }
        connection => insert(connection, &articles, &words).await?,
    };
    // Another writer may have taken one of the slugs since they were checked.
    match inserted == articles.len() {
        true => Ok(Arc::unwrap_or_clone(articles)),
        false => Err(Error::Raced),
    }
}

/// The error of a statement that inserts articles without checking that their ids and slugs are free.
pub(super) fn unless_taken(error: DieselError) -> Error {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Error::Raced,
        error => error.into(),
    }
}

/// The slugs that will get a number.
fn to_be_numbered<'d>(drafts: &'d [Draft], taken: &HashSet<String>) -> Vec<&'d Slug> {
    let mut seen = HashSet::new();
    drafts
        .iter()
        .filter(|draft| {
            let is_new = seen.insert(&draft.article.slug);
            draft.derived && (!is_new || taken.contains(&draft.article.slug))
        })
        .map(|draft| &draft.slug)
        .collect()
}

/// Inserts the articles whose slugs are free, and returns their number.
pub(super) async fn insert(
    connection: &mut Connection<'_>,
    articles: &[Article],
    words: &[Words],
) -> Result<usize> {
    if articles.is_empty() {
        return Ok(0);
    }
    let inserted = match connection {
        Connection::Postgres(connection)
            if articles.len() > 1
                && words.len() == articles.len()
                && words.iter().all(|words| words.parts.is_empty()) =>
        {
            use diesel_async::RunQueryDsl as _;
            let insert = InsertMany::new(articles.iter().zip(words));
            let ids: Vec<ArticleId> = insert.get_results(&mut **connection).await?;
            ids.len()
        }
        _ => run!(connection, |c| Insert { articles, words }.execute(c))?,
    };
    statements::rows(inserted);
    Ok(inserted)
}

/// Those of the slugs that an article already has.
async fn taken_slugs(
    connection: &mut Connection<'_>,
    slugs: Vec<String>,
) -> Result<HashSet<String>> {
    if slugs.is_empty() {
        return Ok(HashSet::new());
    }
    let taken: Vec<String> = run!(connection, |c| article::table
        .filter(article::slug.eq_any(slugs))
        .select(article::slug)
        .load(c))?;
    Ok(taken.into_iter().collect())
}
