//! Inserts several articles in one statement, whose SQL is the same for any number of them: PostgreSQL parses and plans
//! it once per connection.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Integer, Text};

use super::vector::{TsVector, Vector, Words};
use crate::article::{Article, ArticleId};
use crate::clock::Timestamp;
use crate::store::indexing::STORED_RULES;
use crate::store::sql::select::query;
use crate::store::sql::types::{Id, Instant};

/// `INSERT INTO article … SELECT … FROM unnest(…) ON CONFLICT (slug) DO NOTHING RETURNING id`
///
/// Does not support articles with parts of their text ([`Words::parts`]).
pub(in crate::store) struct InsertMany<'a> {
    ids: Vec<ArticleId>,
    titles: Vec<&'a str>,
    slugs: Vec<&'a str>,
    texts: Vec<&'a str>,
    created_at: Vec<Timestamp>,
    updated_at: Vec<Timestamp>,
    versions: Vec<i32>,
    words: Vec<&'a Vector>,
    gives_way: bool,
}

impl<'a> InsertMany<'a> {
    pub(in crate::store) fn new(
        articles: impl IntoIterator<Item = (&'a Article, &'a Words)>,
    ) -> Self {
        let mut insert = Self {
            ids: Vec::new(),
            titles: Vec::new(),
            slugs: Vec::new(),
            texts: Vec::new(),
            created_at: Vec::new(),
            updated_at: Vec::new(),
            versions: Vec::new(),
            words: Vec::new(),
            gives_way: false,
        };
        for (article, words) in articles {
            insert.ids.push(article.id);
            insert.titles.push(&article.title);
            insert.slugs.push(&article.slug);
            insert.texts.push(&article.text);
            insert.created_at.push(article.created_at);
            insert.updated_at.push(article.updated_at);
            insert.versions.push(article.version);
            insert.words.push(&words.vector);
        }
        insert
    }

    /// Fails instead of waiting for a lock for longer than a moment, regardless of `lock_timeout`.
    pub(in crate::store) fn giving_way(mut self) -> Self {
        self.gives_way = true;
        self
    }
}

impl QueryFragment<Pg> for InsertMany<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql(
            "INSERT INTO article (id, title, slug, text, created_at, updated_at, version, search, search_version, \
             search_rules) SELECT id, title, slug, text, created_at, updated_at, version, search, version, ",
        );
        pass.push_bind_param::<Integer, _>(&STORED_RULES)?;
        pass.push_sql(" FROM ");
        if self.gives_way {
            // For this statement only, and without a separate round trip.
            pass.push_sql("(SELECT set_config('lock_timeout', '100ms', true)) AS patience, ");
        }
        pass.push_sql("unnest(");
        pass.push_bind_param::<Array<Id>, _>(self.ids.as_slice())?;
        for texts in [&self.titles, &self.slugs, &self.texts] {
            pass.push_sql(", ");
            pass.push_bind_param::<Array<Text>, _>(texts.as_slice())?;
        }
        for instants in [&self.created_at, &self.updated_at] {
            pass.push_sql(", ");
            pass.push_bind_param::<Array<Instant>, _>(instants.as_slice())?;
        }
        pass.push_sql(", ");
        pass.push_bind_param::<Array<Integer>, _>(self.versions.as_slice())?;
        pass.push_sql(", ");
        pass.push_bind_param::<Array<TsVector>, _>(self.words.as_slice())?;
        pass.push_sql(
            ") AS new (id, title, slug, text, created_at, updated_at, version, search) \
             ON CONFLICT (slug) DO NOTHING RETURNING id",
        );
        Ok(())
    }
}

query!(InsertMany<'_>, Id);
