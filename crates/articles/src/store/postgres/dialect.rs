//! PostgreSQL's side of the dialect.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, Text};
use std::io::Write as _;

use super::search;
use super::vector::{TsVector, Words};
use crate::article::ArticleId;
use crate::article::filter::{Affix, Place};
use crate::article::search::Search;
use crate::clock::Timestamp;
use crate::store::sql::dialect::{Dialect, Pass, binds};
use crate::store::sql::select::Plan;
use crate::store::sql::types::Id;

impl Dialect for Pg {
    const SOME_INSTANT: &'static str = "to_timestamp(0)";
    const TIME_LIMIT: Option<&'static str> = None;
    const TEXT_BYTES_AS_JSON: &'static str = "octet_length(to_json(text)::text) - 2";
    const SORTS_OUTSIDE_SUBQUERY: bool = true;
    const TITLE_AND_SLUG: &'static str = "title, slug";
    const TEXT: &'static str = "text";
    const VERSION: &'static str = "version";
    const AS_SHOWN: &'static str = ", created_at = \
        least(greatest(created_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')";

    binds!();

    /// PostgreSQL stores only valid UTF-8. The position of a cursor may come from the other database, and is then
    /// approximate.
    fn bind_stored<'b>(pass: &mut Pass<'_, 'b, Self>, text: &'b [u8]) -> QueryResult<()> {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        pass.push_bind_param::<Text, _>(text)
    }

    /// For a page after a random cursor, planning takes twice as long as reading, and PostgreSQL's cost estimates would
    /// make it plan again each time if it knew the cursor's value.
    fn bind_hidden_from_planner<'b>(
        pass: &mut Pass<'_, 'b, Self>,
        ty: &str,
        bind: impl FnOnce(&mut Pass<'_, 'b, Self>) -> QueryResult<()>,
    ) -> QueryResult<()> {
        pass.push_sql("(SELECT ");
        bind(pass)?;
        pass.push_sql("::");
        pass.push_sql(ty);
        pass.push_sql(")");
        Ok(())
    }

    fn any_id<'b>(pass: &mut Pass<'_, 'b, Self>, ids: &'b [ArticleId]) -> QueryResult<()> {
        pass.push_sql(" = ANY (");
        pass.push_bind_param::<Array<Id>, _>(ids)?;
        pass.push_sql(")");
        Ok(())
    }

    fn any_text<'b>(pass: &mut Pass<'_, 'b, Self>, texts: &'b [String]) -> QueryResult<()> {
        pass.push_sql(" = ANY (");
        pass.push_bind_param::<Array<Text>, _>(texts)?;
        pass.push_sql(")");
        Ok(())
    }

    fn has_part<'b>(
        pass: &mut Pass<'_, 'b, Self>,
        column: &str,
        affix: &'b Affix,
    ) -> QueryResult<()> {
        // PostgreSQL folds both sides: a letter whose case it does not know then at least equals itself. A trigram
        // index serves the first condition, in which any letter may stand for a sigma.
        pass.push_sql("(lower(");
        pass.push_sql(column);
        pass.push_sql(" COLLATE \"und-x-icu\") LIKE lower(");
        pass.push_bind_param::<AnySigma, _>(affix)?;
        pass.push_sql(" COLLATE \"und-x-icu\")");
        if affix.part.contains(SIGMAS) {
            pass.push_sql(" AND replace(lower(");
            pass.push_sql(column);
            pass.push_sql(" COLLATE \"und-x-icu\"), 'ς', 'σ') LIKE replace(lower(");
            pass.push_bind_param::<Text, _>(affix)?;
            pass.push_sql(" COLLATE \"und-x-icu\"), 'ς', 'σ')");
        }
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

    fn bind_words<'b>(pass: &mut Pass<'_, 'b, Self>, words: &'b Words) -> QueryResult<()> {
        pass.push_bind_param::<TsVector, _>(&words.vector)
    }

    fn bind_parts<'b>(pass: &mut Pass<'_, 'b, Self>, words: &'b Words) -> QueryResult<()> {
        pass.push_bind_param::<Array<TsVector>, _>(&words.parts)
    }

    fn join_relevance<'b>(_: &mut Pass<'_, 'b, Self>, _: &'b Search) -> QueryResult<()> {
        Ok(())
    }

    fn best_match_first<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()> {
        search::best_match_first(pass, search)
    }
}

/// The letters whose lower case depends on their neighbours, and that count as equal.
const SIGMAS: [char; 3] = ['Σ', 'σ', 'ς'];

/// A pattern for `LIKE` in which a wildcard stands for each sigma.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 25, array_oid = 1009))]
struct AnySigma;

impl ToSql<AnySigma, Pg> for Affix {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        pattern(out, self, |c| SIGMAS.contains(&c))
    }
}

/// A pattern for `LIKE` in which the part is literal.
impl ToSql<Text, Pg> for Affix {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        pattern(out, self, |_| false)
    }
}

/// The pattern, in which a wildcard stands for each of some letters; folding does not change that.
fn pattern(
    out: &mut Output<'_, '_, Pg>,
    affix: &Affix,
    is_any: impl Fn(char) -> bool,
) -> serialize::Result {
    let mut pattern = String::with_capacity(affix.part.len() + 2);
    if affix.place != Place::Start {
        pattern.push('%');
    }
    for c in affix.part.chars() {
        if is_any(c) {
            pattern.push('_');
            continue;
        }
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    if affix.place != Place::End {
        pattern.push('%');
    }
    out.write_all(pattern.as_bytes())?;
    Ok(IsNull::No)
}
