//! Estimates how many articles a search finds, from those of its matches that were stored first or last.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl as _, SqliteConnection};

use crate::article::search::Search;
use crate::store::estimates::{Costs, Estimate};
use crate::store::sql::select::query;

/// The maximum number of matches to examine. Fewer matches are always sorted.
const SAMPLE: i64 = 1_000;

/// Measured on a million articles of about 900 bytes, in nanoseconds. FTS5 goes through a list of matches quickly, but
/// seeks in it slowly, once for each word.
const FIND: i64 = 120;
const SORT: i64 = 2_000;
const TEST: i64 = 100_000;
const COMPARE: i64 = 300;

/// `None` if the search also finds articles because they lack a word, for which the index cannot be used. `newest`:
/// examines the matches that were stored last.
pub(in crate::store) fn of(
    connection: &mut SqliteConnection,
    search: &Search,
    newest: bool,
) -> QueryResult<Option<Estimate>> {
    if search.alternatives.iter().any(|it| it.with.is_empty()) {
        return Ok(None);
    }
    let sample = Sample { search, newest };
    let (count, lowest, highest, first, last): (i64, i64, i64, i64, i64) =
        sample.get_result(connection)?;
    let articles = last.saturating_sub(first).saturating_add(1).max(count);
    let among = match newest {
        true => last.saturating_sub(lowest),
        false => highest.saturating_sub(first),
    };
    let among = among.saturating_add(1).max(count).max(1);
    let words = i64::try_from(search.words().max(1)).unwrap_or(i64::MAX);
    Ok(Some(Estimate {
        articles,
        matches: match count < SAMPLE {
            true => count,
            false => count.saturating_mul(articles) / among,
        },
        costs: Costs {
            find: FIND.saturating_mul(words),
            sort: SORT,
            test: TEST.saturating_mul(words),
            compare: Some(COMPARE),
        },
    }))
}

/// The number of matches, at most [`SAMPLE`], their lowest and highest numbers, and those of all articles.
struct Sample<'s> {
    search: &'s Search,
    newest: bool,
}

impl QueryFragment<Sqlite> for Sample<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql(
            "SELECT count(*), coalesce(min(found), 0), coalesce(max(found), 0), \
             coalesce((SELECT min(number) FROM article), 0), \
             coalesce((SELECT max(number) FROM article), 0) \
             FROM (SELECT rowid AS found FROM article_search WHERE article_search MATCH ",
        );
        pass.push_bind_param::<Text, _>(self.search)?;
        pass.push_sql(match self.newest {
            true => " AND within_time_limit(rowid) ORDER BY rowid DESC LIMIT ",
            false => " AND within_time_limit(rowid) ORDER BY rowid LIMIT ",
        });
        pass.push_bind_param::<BigInt, _>(&SAMPLE)?;
        pass.push_sql(")");
        Ok(())
    }
}

query!(Sample<'_>, (BigInt, BigInt, BigInt, BigInt, BigInt));
