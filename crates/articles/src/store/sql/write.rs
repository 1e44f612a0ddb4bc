//! The statements that change articles.

use diesel::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

use super::dialect::{Dialect, Pass};
use super::select::{RowType, push_columns, query};
use crate::article::{Article, ArticleEdit, ArticleId, Columns, Slug, Text, Title};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::indexing::STORED_RULES;
use crate::store::postgres::vector::Words;

/// `INSERT INTO article … ON CONFLICT (slug) DO NOTHING`
///
/// A statement of Diesel's `derive(Insertable)` would not be cached.
#[derive(Debug, Clone)]
pub(in crate::store) struct Insert<'a> {
    pub(in crate::store) articles: &'a [Article],
    /// The words of each article; empty where the database computes them.
    pub(in crate::store) words: &'a [Words],
}

/// `UPDATE article SET … WHERE id = … [AND version = …] RETURNING …`
#[derive(Debug, Clone)]
pub(in crate::store) struct Update {
    pub(in crate::store) id: ArticleId,
    pub(in crate::store) expected_version: Option<i32>,
    pub(in crate::store) edit: ArticleEdit,
    pub(in crate::store) now: Timestamp,
    /// Whether values stored by another program that violate the table's constraints by now become what the API shows.
    pub(in crate::store) as_shown: bool,
    /// Whether it is executed in a transaction. The title and text that its words come from are locked then, so that
    /// they cannot change before the update.
    pub(in crate::store) in_transaction: bool,
    pub(in crate::store) columns: Columns,
    pub(in crate::store) text: TextRoom,
    /// The words of the new title and text. `None` where neither changes, or the database computes them.
    pub(in crate::store) words: Option<EditedWords>,
}

/// The words of an article after an edit.
#[derive(Debug, Clone)]
pub(in crate::store) struct EditedWords {
    pub(in crate::store) words: Words,
    /// The version from which the unchanged title or text was read.
    pub(in crate::store) of_version: Option<i32>,
}

/// `DELETE FROM article WHERE id = … [AND version = …] RETURNING …`
#[derive(Debug, Clone)]
pub(in crate::store) struct Delete {
    pub(in crate::store) id: ArticleId,
    pub(in crate::store) expected_version: Option<i32>,
    pub(in crate::store) columns: Columns,
    pub(in crate::store) text: TextRoom,
}

/// A condition on an article's text: as JSON it must fit into the response. It is part of the statement, because a
/// write must not be executed if its result cannot be returned.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct TextRoom {
    /// The maximum bytes of the text as JSON, and the bytes of a text that certainly fits. `None` for no limit.
    bytes: Option<(i64, i64)>,
}

/// The maximum JSON bytes per byte of text: a control character is written as `\u0001`.
const MAX_ESCAPE_BYTES: i64 = 6;

impl TextRoom {
    pub(in crate::store) fn new(bytes: Option<usize>) -> Self {
        let bytes = bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        Self {
            bytes: bytes.map(|bytes| (bytes, bytes / MAX_ESCAPE_BYTES)),
        }
    }

    /// The error where the text does not fit; `None` without a limit.
    pub(in crate::store) fn exceeded(self) -> Option<Error> {
        let (most, _) = self.bytes?;
        let max = usize::try_from(most).unwrap_or(usize::MAX);
        Some(Error::TooLarge {
            max,
            value: max.saturating_add(1),
        })
    }

    fn condition<'b, DB: Dialect>(&'b self, pass: &mut Pass<'_, 'b, DB>) -> QueryResult<()> {
        let Some((most, certain)) = &self.bytes else {
            return Ok(());
        };
        // The length of a text is known without reading it; that of its JSON is not.
        pass.push_sql(" AND CASE WHEN octet_length(text) <= ");
        DB::bind_integer(pass, certain)?;
        pass.push_sql(" THEN TRUE WHEN octet_length(text) > ");
        DB::bind_integer(pass, most)?;
        pass.push_sql(" THEN FALSE ELSE ");
        pass.push_sql(DB::TEXT_BYTES_AS_JSON);
        pass.push_sql(" <= ");
        DB::bind_integer(pass, most)?;
        pass.push_sql(" END");
        Ok(())
    }
}

impl<DB: Dialect> QueryFragment<DB> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.articles.len() != 1 {
            // There would be one statement for each number of rows.
            pass.unsafe_to_cache_prepared();
        }
        let words = || self.words.iter().map(Some).chain(std::iter::repeat(None));
        let mut number = 0;
        for (article, words) in self.articles.iter().zip(words()) {
            if let Some(words) = words.filter(|words| !words.parts.is_empty()) {
                // Parts of an article that is not created belong to no article. A retry finds its own parts.
                pass.push_sql(if number == 0 {
                    "WITH parts_"
                } else {
                    ", parts_"
                });
                pass.push_sql(&number.to_string());
                pass.push_sql(" AS (INSERT INTO article_search_part (article_id, version, part, search) SELECT ");
                DB::bind_id(&mut pass, &article.id)?;
                pass.push_sql(", ");
                DB::bind_version(&mut pass, &article.version)?;
                pass.push_sql(", number, search FROM unnest(");
                DB::bind_parts(&mut pass, words)?;
                pass.push_sql(") WITH ORDINALITY AS part (search, number) ON CONFLICT DO NOTHING)");
                number += 1;
            }
        }
        pass.push_sql(if number == 0 { "" } else { " " });
        pass.push_sql(
            "INSERT INTO article (id, title, slug, text, created_at, updated_at, version",
        );
        if !self.words.is_empty() {
            pass.push_sql(", search, search_version, search_rules");
        }
        pass.push_sql(") VALUES ");
        for (index, (article, words)) in self.articles.iter().zip(words()).enumerate() {
            pass.push_sql(if index == 0 { "(" } else { ", (" });
            DB::bind_id(&mut pass, &article.id)?;
            for text in [&article.title, &article.slug, &article.text] {
                pass.push_sql(", ");
                DB::bind_text(&mut pass, text)?;
            }
            for instant in [&article.created_at, &article.updated_at] {
                pass.push_sql(", ");
                DB::bind_instant(&mut pass, instant)?;
            }
            pass.push_sql(", ");
            DB::bind_version(&mut pass, &article.version)?;
            if let Some(words) = words {
                pass.push_sql(", ");
                DB::bind_words(&mut pass, words)?;
                pass.push_sql(", ");
                DB::bind_version(&mut pass, &article.version)?;
                pass.push_sql(", ");
                DB::bind_version(&mut pass, &STORED_RULES)?;
            }
            pass.push_sql(")");
        }
        pass.push_sql(" ON CONFLICT (slug) DO NOTHING");
        Ok(())
    }
}

impl<DB: Dialect> QueryFragment<DB> for Update {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let words = self.words.as_ref();
        let has_parts = words.is_some_and(|edited| !edited.words.parts.is_empty());
        if has_parts {
            pass.push_sql("WITH changed AS (");
        }
        pass.push_sql("UPDATE article SET version = version + 1, updated_at = ");
        DB::bind_instant(&mut pass, &self.now)?;
        let ArticleEdit { title, slug, text } = &self.edit;
        let changes = [
            (", title = ", title.as_ref().map(Title::as_str)),
            (", slug = ", slug.as_ref().map(Slug::as_str)),
            (", text = ", text.as_ref().map(Text::as_str)),
        ];
        for (assignment, value) in changes {
            if let Some(value) = value {
                pass.push_sql(assignment);
                DB::bind_text(&mut pass, value)?;
            }
        }
        if self.as_shown {
            pass.push_sql(DB::AS_SHOWN);
        }
        if let Some(EditedWords { words, .. }) = words {
            pass.push_sql(", search = ");
            DB::bind_words(&mut pass, words)?;
            pass.push_sql(", search_version = version + 1, search_rules = ");
            DB::bind_version(&mut pass, &STORED_RULES)?;
        }
        where_version(&mut pass, &self.id, self.expected_version.as_ref())?;
        if let Some(version) = words.and_then(|edited| edited.of_version.as_ref()) {
            pass.push_sql(" AND version = ");
            DB::bind_version(&mut pass, version)?;
        }
        // `MAX_VERSION`; incrementing a larger value could overflow.
        pass.push_sql(" AND version < 2147483646");
        self.text.condition(&mut pass)?;
        pass.push_sql(" RETURNING ");
        if let Some(EditedWords { words, .. }) = words.filter(|_| has_parts) {
            pass.push_sql(
                "*), parts AS (INSERT INTO article_search_part (article_id, version, part, search) \
                SELECT changed.id, changed.version, number, part.search FROM changed, unnest(",
            );
            DB::bind_parts(&mut pass, words)?;
            // An earlier version with the same number may have left parts.
            pass.push_sql(
                ") WITH ORDINALITY AS part (search, number) \
                ON CONFLICT (article_id, version, part) DO UPDATE SET search = excluded.search) SELECT ",
            );
            push_columns(&mut pass, self.columns);
            pass.push_sql(" FROM changed");
        } else {
            push_columns(&mut pass, self.columns);
        }
        Ok(())
    }
}

impl<DB: Dialect> QueryFragment<DB> for Delete {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("DELETE FROM article");
        where_version(&mut pass, &self.id, self.expected_version.as_ref())?;
        self.text.condition(&mut pass)?;
        pass.push_sql(" RETURNING ");
        push_columns(&mut pass, self.columns);
        Ok(())
    }
}

fn where_version<'b, DB: Dialect>(
    pass: &mut Pass<'_, 'b, DB>,
    id: &'b ArticleId,
    expected_version: Option<&'b i32>,
) -> QueryResult<()> {
    pass.push_sql(" WHERE id = ");
    DB::bind_id(pass, id)?;
    if let Some(version) = expected_version {
        pass.push_sql(" AND ");
        pass.push_sql(DB::VERSION);
        pass.push_sql(" = ");
        DB::bind_version(pass, version)?;
    }
    Ok(())
}

impl QueryId for Insert<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: diesel::Connection> diesel::RunQueryDsl<C> for Insert<'_> {}

query!(Update, RowType);
query!(Delete, RowType);

/// `UPDATE article SET … WHERE id = …`, with the values of an imported article.
#[derive(Debug, Clone)]
pub(in crate::store) struct Replace {
    pub(in crate::store) id: ArticleId,
    pub(in crate::store) article: Article,
    pub(in crate::store) keeps_slug: bool,
    /// `None` leaves it unchanged.
    pub(in crate::store) created_at: Option<Timestamp>,
    /// The minimum of the resulting version; it is incremented by one in any case.
    pub(in crate::store) version: i32,
}

impl<DB: Dialect> QueryFragment<DB> for Replace {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("UPDATE article SET version = CASE WHEN version < ");
        DB::bind_version(&mut pass, &self.version)?;
        pass.push_sql(" THEN ");
        DB::bind_version(&mut pass, &self.version)?;
        pass.push_sql(" ELSE version + 1 END, title = ");
        DB::bind_text(&mut pass, &self.article.title)?;
        pass.push_sql(", text = ");
        DB::bind_text(&mut pass, &self.article.text)?;
        pass.push_sql(", updated_at = ");
        DB::bind_instant(&mut pass, &self.article.updated_at)?;
        if !self.keeps_slug {
            pass.push_sql(", slug = ");
            DB::bind_text(&mut pass, &self.article.slug)?;
        }
        if let Some(created_at) = &self.created_at {
            pass.push_sql(", created_at = ");
            DB::bind_instant(&mut pass, created_at)?;
        }
        pass.push_sql(" WHERE id = ");
        DB::bind_id(&mut pass, &self.id)?;
        // `MAX_VERSION`; incrementing a larger value could overflow.
        pass.push_sql(" AND version < 2147483646");
        Ok(())
    }
}

impl QueryId for Replace {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: diesel::Connection> diesel::RunQueryDsl<C> for Replace {}
