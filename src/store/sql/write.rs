//! The statements that change articles.

use diesel::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

use super::dialect::{Dialect, Pass};
use super::select::{RowType, push_columns, query};
use crate::article::{Article, ArticleEdit, ArticleId, Columns, Slug, Text, Title};
use crate::clock::Timestamp;
use crate::error::Error;

/// `INSERT INTO article … ON CONFLICT (slug) DO NOTHING`
///
/// A statement of Diesel's `derive(Insertable)` would be prepared anew each time.
#[derive(Debug, Clone)]
pub(in crate::store) struct Insert<'a>(pub(in crate::store) &'a [Article]);

/// `UPDATE article SET … WHERE id = … [AND version = …] RETURNING …`
#[derive(Debug, Clone)]
pub(in crate::store) struct Update {
    pub(in crate::store) id: ArticleId,
    pub(in crate::store) expected_version: Option<i32>,
    pub(in crate::store) edit: ArticleEdit,
    pub(in crate::store) now: Timestamp,
    /// Whether the values that another program stored, and that the table refuses by now, become what is shown of them.
    pub(in crate::store) as_shown: bool,
    pub(in crate::store) columns: Columns,
    pub(in crate::store) text: TextRoom,
}

/// `DELETE FROM article WHERE id = … [AND version = …] RETURNING …`
#[derive(Debug, Clone)]
pub(in crate::store) struct Delete {
    pub(in crate::store) id: ArticleId,
    pub(in crate::store) expected_version: Option<i32>,
    pub(in crate::store) columns: Columns,
    pub(in crate::store) text: TextRoom,
}

/// A condition on the text that an article has: as JSON it must fit into the answer. Whether it does is part of the
/// statement, because what was carried out must be answered.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct TextRoom {
    /// The most bytes of the text as JSON, and of one that certainly has no more than that. `None` for any text.
    bytes: Option<(i64, i64)>,
}

/// How many bytes JSON needs for a byte of text at the most: a control character is written as `\u0001`.
const LONGEST_ESCAPE: i64 = 6;

impl TextRoom {
    pub(in crate::store) fn new(bytes: Option<usize>) -> Self {
        let bytes = bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        Self {
            bytes: bytes.map(|bytes| (bytes, bytes / LONGEST_ESCAPE)),
        }
    }

    /// The error where the text does not fit; `None` where any does.
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
        if self.0.len() != 1 {
            // As many statements as there are numbers of rows.
            pass.unsafe_to_cache_prepared();
        }
        pass.push_sql(
            "INSERT INTO article (id, title, slug, text, created_at, updated_at, version) VALUES ",
        );
        for (index, article) in self.0.iter().enumerate() {
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
            pass.push_sql(")");
        }
        pass.push_sql(" ON CONFLICT (slug) DO NOTHING");
        Ok(())
    }
}

impl<DB: Dialect> QueryFragment<DB> for Update {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
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
        this_version(&mut pass, &self.id, self.expected_version.as_ref())?;
        // `MAX_VERSION`, beyond which one more might be no number.
        pass.push_sql(" AND version < 2147483646");
        self.text.condition(&mut pass)?;
        pass.push_sql(" RETURNING ");
        push_columns(&mut pass, self.columns);
        Ok(())
    }
}

impl<DB: Dialect> QueryFragment<DB> for Delete {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("DELETE FROM article");
        this_version(&mut pass, &self.id, self.expected_version.as_ref())?;
        self.text.condition(&mut pass)?;
        pass.push_sql(" RETURNING ");
        push_columns(&mut pass, self.columns);
        Ok(())
    }
}

fn this_version<'b, DB: Dialect>(
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
