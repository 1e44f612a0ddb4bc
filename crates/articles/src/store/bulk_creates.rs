//! Creates several articles in one transaction, as if one after the other.
//!
//! Decision: `docs/decisions/0018-bulk-creates.md`.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use diesel::{ExpressionMethods as _, QueryDsl as _};
use futures_util::{StreamExt as _, stream};

use super::connection::{Connection, run};
use super::drafts::Draft;
use super::postgres::insert::InsertMany;
use super::postgres::pending_lists;
use super::postgres::vector::Words;
use super::slugs::{self, Numbers};
use super::sql::tables::article;
use super::sql::write::Insert;
use super::{Access, sqlite, statements};
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

/// The number of articles that PostgreSQL inserts by one statement while the words of the next are computed.
const PART: usize = 125;

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
    let wanted = articles.len();
    let (inserted, articles) = match connection {
        Connection::Sqlite(connection) if is_indexed => {
            let inserted = sqlite::bulk::create(connection, &articles)?;
            statements::rows(inserted);
            (inserted, articles)
        }
        Connection::Postgres(_) if is_indexed => insert_in_parts(connection, articles).await?,
        connection => (insert(connection, &articles, &words).await?, articles),
    };
    // Another writer may have taken one of the slugs since they were checked.
    match inserted == wanted {
        true => Ok(articles),
        false => Err(Error::Raced),
    }
}

/// Inserts the articles whose slugs are free, and returns their number, and all the articles. While the database inserts
/// a part, other threads compute the words of the next ones.
async fn insert_in_parts(
    connection: &mut Connection<'_>,
    articles: Vec<Article>,
) -> Result<(usize, Vec<Article>)> {
    let articles = Arc::new(articles);
    let all = Arc::clone(&articles);
    let compute_words = move |first: usize| {
        let articles = Arc::clone(&all);
        let words = tokio::task::spawn_blocking(move || {
            let part = articles.iter().skip(first).take(PART);
            let words = part.map(|article| Words::of(&article.title, &article.text));
            words.collect::<Vec<_>>()
        });
        async { words.await.map_err(Error::internal) }
    };
    // One for each thread, and one that is ready to be inserted.
    let ahead = available_parallelism().map_or(1, NonZero::get) + 1;
    let firsts = (0..articles.len()).step_by(PART);
    let mut parts = Box::pin(stream::iter(firsts.map(compute_words)).buffered(ahead));
    let mut inserted = 0;
    for part in articles.chunks(PART) {
        let Some(words) = parts.next().await else {
            break;
        };
        let in_part = insert(connection, part, &words?).await?;
        inserted += in_part;
        if in_part < part.len() {
            break;
        }
    }
    // It shares the articles.
    drop(parts);
    Ok((inserted, Arc::unwrap_or_clone(articles)))
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
