//! Inserts many articles at once.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Integer, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::index::{self, Words};
use crate::article::{Article, ArticleId};
use crate::store::drafts::LONG;
use crate::store::sql::types::{Id, Instant};
use crate::store::sql::write::Insert;

/// Inserts the articles whose slugs are free, and returns their number. If that is all of them, they are indexed.
///
/// Other threads compute the words while this one writes the rows.
pub(in crate::store) fn create(
    connection: &mut SqliteConnection,
    articles: &[Article],
) -> QueryResult<usize> {
    let due = index::due(connection);
    let parts = Parts::of(articles);
    let inserted = thread::scope(|scope| {
        for _ in 0..other_threads(articles) {
            // Where the system has no more threads, this one computes all of the words.
            let _ = thread::Builder::new().spawn_scoped(scope, || parts.compute());
        }
        let insert = Insert {
            articles,
            words: &[],
        };
        let inserted = insert.execute(connection);
        parts.compute();
        inserted
    })?;
    if let Some(due) = due
        && inserted == articles.len()
    {
        due.index_computed(connection, parts.into_words());
    }
    Ok(inserted)
}

/// The number of other threads that it is worth starting.
fn other_threads(articles: &[Article]) -> usize {
    let bytes: usize = articles.iter().map(|article| article.text.len()).sum();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    (threads - 1).min(bytes / LONG)
}

/// Articles in parts, whose words several threads compute.
struct Parts<'a> {
    parts: Vec<Part<'a>>,
    /// The first part that no thread has taken.
    next: AtomicUsize,
}

struct Part<'a> {
    articles: &'a [Article],
    words: OnceLock<Vec<Words>>,
}

impl<'a> Parts<'a> {
    const ARTICLES: usize = 16;

    fn of(articles: &'a [Article]) -> Self {
        let parts = articles.chunks(Self::ARTICLES).map(|articles| Part {
            articles,
            words: OnceLock::new(),
        });
        Self {
            parts: parts.collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Computes the words of parts until every part is taken.
    fn compute(&self) {
        while let Some(part) = self.parts.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            part.words.get_or_init(|| {
                let words = part.articles.iter();
                words
                    .map(|article| Words::of(&article.title, &article.text))
                    .collect()
            });
        }
    }

    fn into_words(self) -> HashMap<ArticleId, Words> {
        let parts = self.parts.into_iter().flat_map(|part| {
            let ids = part.articles.iter().map(|article| article.id);
            ids.zip(part.words.into_inner().unwrap_or_default())
        });
        parts.collect()
    }
}

/// Inserts all of the articles, with one statement that is prepared once.
///
/// # Errors
/// Some may have been inserted, so the transaction must not be committed. A unique violation: an existing article, or
/// another of these, has the same id or slug.
pub(in crate::store) fn insert<'a>(
    connection: &mut SqliteConnection,
    articles: impl Iterator<Item = &'a Article>,
) -> QueryResult<()> {
    for article in articles {
        InsertOne(article).execute(connection)?;
    }
    Ok(())
}

/// `INSERT INTO article …`
struct InsertOne<'a>(&'a Article);

impl QueryFragment<Sqlite> for InsertOne<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let Self(article) = self;
        pass.push_sql(
            "INSERT INTO article (id, title, slug, text, created_at, updated_at, version) VALUES (",
        );
        pass.push_bind_param::<Id, _>(&article.id)?;
        for text in [&article.title, &article.slug, &article.text] {
            pass.push_sql(", ");
            pass.push_bind_param::<Text, _>(text)?;
        }
        for instant in [&article.created_at, &article.updated_at] {
            pass.push_sql(", ");
            pass.push_bind_param::<Instant, _>(instant)?;
        }
        pass.push_sql(", ");
        pass.push_bind_param::<Integer, _>(&article.version)?;
        pass.push_sql(")");
        Ok(())
    }
}

impl QueryId for InsertOne<'_> {
    type QueryId = InsertOne<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C: diesel::Connection> RunQueryDsl<C> for InsertOne<'_> {}
