//! SQLite's side of the dialect.

use diesel::QueryResult;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Binary, Text};
use diesel::sqlite::Sqlite;

use super::search;
use crate::article::ArticleId;
use crate::article::filter::{Affix, Place, fold_case};
use crate::article::search::Search;
use crate::clock::Timestamp;
use crate::store::postgres::vector::Words;
use crate::store::sql::dialect::{Dialect, Pass, binds};
use crate::store::sql::select::Plan;

impl Dialect for Sqlite {
    const SOME_INSTANT: &'static str = "0";
    const TIME_LIMIT: Option<&'static str> =
        Some("(number % 64 <> 0 OR within_time_limit(number))");
    const TEXT_BYTES_AS_JSON: &'static str = "octet_length(json_quote(text)) - 2";
    const TITLE_AND_SLUG: &'static str = "CAST(title AS BLOB), CAST(slug AS BLOB)";
    const TEXT: &'static str = "CAST(text AS BLOB)";
    const VERSION: &'static str = "min(max(version, 1), 2147483647)";
    const AS_SHOWN: &'static str = "";
    const SORTS_OUTSIDE_SUBQUERY: bool = false;

    binds!();

    fn bind_stored<'b>(pass: &mut Pass<'_, 'b, Self>, text: &'b [u8]) -> QueryResult<()> {
        if let Ok(text) = str::from_utf8(text) {
            return pass.push_bind_param::<Text, _>(text);
        }
        pass.push_sql("CAST(");
        pass.push_bind_param::<Binary, _>(text)?;
        pass.push_sql(" AS TEXT)");
        Ok(())
    }

    fn bind_hidden_from_planner<'b>(
        pass: &mut Pass<'_, 'b, Self>,
        _: &str,
        bind: impl FnOnce(&mut Pass<'_, 'b, Self>) -> QueryResult<()>,
    ) -> QueryResult<()> {
        bind(pass)
    }

    fn any_id<'b>(pass: &mut Pass<'_, 'b, Self>, ids: &'b [ArticleId]) -> QueryResult<()> {
        pass.push_sql(" IN (SELECT unhex(value) FROM json_each(");
        pass.push_bind_param::<IdList, _>(ids)?;
        pass.push_sql("))");
        Ok(())
    }

    fn any_text<'b>(pass: &mut Pass<'_, 'b, Self>, texts: &'b [String]) -> QueryResult<()> {
        pass.push_sql(" IN (SELECT value FROM json_each(");
        pass.push_bind_param::<TextList, _>(texts)?;
        pass.push_sql("))");
        Ok(())
    }

    fn has_part<'b>(
        pass: &mut Pass<'_, 'b, Self>,
        column: &str,
        affix: &'b Affix,
    ) -> QueryResult<()> {
        // Our own functions: SQLite's `lower` and `LIKE` only know the case of ASCII letters.
        pass.push_sql(match affix.place {
            Place::Anywhere => "contains_ignoring_case(",
            Place::Start => "starts_with_ignoring_case(",
            Place::End => "ends_with_ignoring_case(",
        });
        pass.push_sql(column);
        pass.push_sql(", ");
        pass.push_bind_param::<Text, _>(affix)?;
        pass.push_sql(")");
        Ok(())
    }

    fn matches<'b>(
        pass: &mut Pass<'_, 'b, Self>,
        search: &'b Search,
        plan: Plan,
    ) -> QueryResult<()> {
        search::matches(pass, search, plan)
    }

    fn bind_words<'b>(_: &mut Pass<'_, 'b, Self>, _: &'b Words) -> QueryResult<()> {
        Err(no_words())
    }

    fn bind_parts<'b>(_: &mut Pass<'_, 'b, Self>, _: &'b Words) -> QueryResult<()> {
        Err(no_words())
    }

    fn join_relevance<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()> {
        search::join_relevance(pass, search)
    }

    fn best_match_first<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()> {
        search::best_match_first(pass, search)
    }
}

/// On SQLite a separate statement adds words to the index.
fn no_words() -> diesel::result::Error {
    diesel::result::Error::QueryBuilderError("a row has no words on SQLite".into())
}

/// A text that holds a JSON array, for `json_each`.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(sqlite_type(name = "Text"))]
pub(super) struct TextList;

#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(sqlite_type(name = "Text"))]
pub(super) struct IdList;

impl ToSql<TextList, Sqlite> for [String] {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(self)?);
        Ok(IsNull::No)
    }
}

impl ToSql<IdList, Sqlite> for [ArticleId] {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        let ids: Vec<String> = self.iter().map(|id| id.0.simple().to_string()).collect();
        out.set_value(serde_json::to_string(&ids)?);
        Ok(IsNull::No)
    }
}

/// The part, folded in the same way as the texts.
impl ToSql<Text, Sqlite> for Affix {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(fold_case(&self.part));
        Ok(IsNull::No)
    }
}
