//! Inserts many articles at once.

use std::collections::HashMap;

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Integer, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::index::{self, Words};
use crate::article::{Article, ArticleId};
use crate::store::sql::types::{Id, Instant};
use crate::store::sql::write::Insert;

/// Inserts the articles whose slugs are free, and returns their number. If that is all of them, they are indexed with
/// these words.
pub(in crate::store) fn create(
    connection: &mut SqliteConnection,
    articles: &[Article],
    words: HashMap<ArticleId, Words>,
) -> QueryResult<usize> {
    let due = index::due(connection);
    let no_words = &[];
    let insert = Insert {
        articles,
        words: no_words,
    };
    let inserted = insert.execute(connection)?;
    if let Some(due) = due
        && inserted == articles.len()
    {
        due.index_computed(connection, words);
    }
    Ok(inserted)
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
