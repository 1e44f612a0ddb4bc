//! How PostgreSQL spells what the two databases spell differently.

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
use crate::store::sql::types::Id;

impl Dialect for Pg {
    const SOME_INSTANT: &'static str = "to_timestamp(0)";
    const TIME_LIMIT: Option<&'static str> = None;
    const TEXT_BYTES_AS_JSON: &'static str = "octet_length(to_json(text)::text) - 2";
    const TITLE_AND_SLUG: &'static str = "title, slug";
    const TEXT: &'static str = "text";
    const VERSION: &'static str = "version";
    const AS_SHOWN: &'static str = ", created_at = \
        least(greatest(created_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')";

    binds!();

    /// Only texts are stored here. The place of a cursor may be that of another database, and is then near.
    fn bind_stored<'b>(pass: &mut Pass<'_, 'b, Self>, text: &'b [u8]) -> QueryResult<()> {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        pass.push_bind_param::<Text, _>(text)
    }

    /// Of a page after a random cursor, planning takes twice as long as reading, and by its estimates PostgreSQL would
    /// plan again each time for what it knows of the cursor.
    fn unplanned<'b>(
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
        // PostgreSQL folds both: what it does not know to have a case then equals itself at least. An index on trigrams
        // serves the first condition, which takes any letter for a sigma.
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

    fn matches<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()> {
        search::matches(pass, search)
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

/// The letters whose lower case depends on what stands beside them, and is taken for the same.
const SIGMAS: [char; 3] = ['Σ', 'σ', 'ς'];

/// A pattern of `LIKE` in which any character may stand for a sigma.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 25, array_oid = 1009))]
struct AnySigma;

impl ToSql<AnySigma, Pg> for Affix {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        pattern(out, self, |c| SIGMAS.contains(&c))
    }
}

/// A pattern of `LIKE` in which the part stands for itself.
impl ToSql<Text, Pg> for Affix {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        pattern(out, self, |_| false)
    }
}

/// The pattern, in which any character may stand for some; it is the same pattern after it was folded.
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
