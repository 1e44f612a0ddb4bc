//! The one SELECT over articles: some columns, a condition, an order, a page.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Integer, Text};
use diesel::{QueryResult, Queryable};

use super::dialect::Dialect;
use super::types::{Id, Instant};
use crate::article::{Article, ArticleId, ArticleOrder, Columns};
use crate::clock::Timestamp;

/// Which articles.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    All,
    Id(ArticleId),
    Slug(String),
    /// Those that follow this place in the order.
    After(Timestamp, ArticleId),
}

/// `SELECT … FROM article WHERE … ORDER BY … LIMIT … OFFSET …`
#[derive(Debug, Clone)]
pub(super) struct Select {
    pub(super) columns: Columns,
    pub(super) condition: Condition,
    pub(super) order: ArticleOrder,
    pub(super) limit: i64,
    pub(super) offset: i64,
}

impl Select {
    fn columns<DB: Dialect>(&self, pass: &mut AstPass<'_, '_, DB>) {
        let columns = self.columns;
        let mut column = |wanted: bool, name: &str, constant: &str| {
            pass.push_sql(", ");
            pass.push_sql(if wanted { name } else { constant });
        };
        column(columns.title, "title", "''");
        column(columns.slug, "slug", "''");
        column(columns.text, "text", "''");
        column(columns.created_at, "created_at", DB::SOME_INSTANT);
        column(columns.updated_at, "updated_at", DB::SOME_INSTANT);
        column(columns.version, "version", "0");
    }

    fn condition<'b, DB: Dialect>(&'b self, pass: &mut AstPass<'_, 'b, DB>) -> QueryResult<()> {
        match &self.condition {
            Condition::All => Ok(()),
            Condition::Id(id) => {
                pass.push_sql(" WHERE id = ");
                DB::bind_id(pass, id)
            }
            Condition::Slug(slug) => {
                pass.push_sql(" WHERE slug = ");
                DB::bind_text(pass, slug)
            }
            Condition::After(created_at, id) => {
                pass.push_sql(match self.order {
                    ArticleOrder::CreatedAtAsc => " WHERE (created_at, id) > (",
                    ArticleOrder::CreatedAtDesc => " WHERE (created_at, id) < (",
                });
                DB::bind_instant(pass, created_at)?;
                pass.push_sql(", ");
                DB::bind_id(pass, id)?;
                pass.push_sql(")");
                Ok(())
            }
        }
    }
}

impl<DB: Dialect> QueryFragment<DB> for Select {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT id");
        self.columns(&mut pass);
        pass.push_sql(" FROM article");
        self.condition(&mut pass)?;
        pass.push_sql(match self.order {
            ArticleOrder::CreatedAtAsc => " ORDER BY created_at, id LIMIT ",
            ArticleOrder::CreatedAtDesc => " ORDER BY created_at DESC, id DESC LIMIT ",
        });
        DB::bind_integer(&mut pass, &self.limit)?;
        pass.push_sql(" OFFSET ");
        DB::bind_integer(&mut pass, &self.offset)
    }
}

impl Query for Select {
    type SqlType = (Id, Text, Text, Text, Instant, Instant, Integer);
}

/// Its text depends on what is asked for, so statements are told apart by their text.
impl QueryId for Select {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: diesel::Connection> diesel::RunQueryDsl<C> for Select {}

/// A row of [`Select`]; columns that were not asked for hold a constant.
#[derive(Queryable)]
pub(super) struct Row {
    id: ArticleId,
    title: String,
    slug: String,
    text: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    version: i32,
}

impl From<Row> for Article {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            title: row.title,
            slug: row.slug,
            text: row.text,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}
