//! Executes a search on SQLite, in its search index.

use diesel::QueryResult;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;

use crate::article::search::{Alternative, CLOSE, Phrase, RANKED_WORDS, Search};
use crate::store::sql::dialect::Pass;
use crate::store::sql::select::Plan;

/// Writes the condition that an article matches.
///
/// FTS5 can subtract words from a result, but cannot express "all articles except". Two subqueries serve any number of
/// alternatives, because SQLite limits the depth of an expression.
pub(super) fn matches<'b>(
    pass: &mut Pass<'_, 'b, Sqlite>,
    search: &'b Search,
    plan: Plan,
) -> QueryResult<()> {
    let (found, lacking): (Vec<&Alternative>, Vec<&Alternative>) = search
        .alternatives
        .iter()
        .partition(|alternative| !alternative.with.is_empty());
    pass.push_sql("(");
    if !found.is_empty() {
        begin(pass, plan, true);
        pass.push_bind_param::<Text, _>(search)?;
        end(pass, plan, search, true);
    }
    if !lacking.is_empty() {
        pass.push_sql(if found.is_empty() { "" } else { " OR " });
        begin(pass, plan, false);
        pass.push_bind_param::<Excluded, _>(search)?;
        end(pass, plan, search, false);
    }
    pass.push_sql(")");
    Ok(())
}

/// Writes what precedes the words that an article `has`, or has not.
fn begin(pass: &mut Pass<'_, '_, Sqlite>, plan: Plan, has: bool) {
    pass.push_sql(match (plan, has) {
        (Plan::List, _) => {
            "within_time_limit(number) AND (SELECT rowid FROM article_search WHERE rowid = article.number AND article_search MATCH "
        }
        // The sign keeps SQLite from looking up the article of each match.
        (Plan::ListAmongMatches, true) => {
            "+number IN (SELECT rowid FROM article_search WHERE article_search MATCH "
        }
        (Plan::Usual | Plan::Matches, true) => {
            "number IN (SELECT rowid FROM article_search WHERE article_search MATCH "
        }
        (_, false) => "number NOT IN (SELECT rowid FROM article_search WHERE article_search MATCH ",
    });
}

/// Writes what follows the words.
fn end(pass: &mut Pass<'_, '_, Sqlite>, plan: Plan, search: &Search, has: bool) {
    pass.push_sql(match (plan, has) {
        (Plan::List, true) => ") IS NOT NULL",
        (Plan::List, false) => ") IS NULL",
        // The positions of the words are compared in each match.
        _ if search.has_phrases() => " AND within_time_limit(rowid))",
        // Only the number of each match is read, which takes less time than checking the time limit.
        _ => " AND (rowid % 64 <> 0 OR within_time_limit(rowid)))",
    });
}

pub(super) fn join_relevance<'b>(
    pass: &mut Pass<'_, 'b, Sqlite>,
    search: &'b Search,
) -> QueryResult<()> {
    pass.push_sql(
        " LEFT JOIN (SELECT rowid AS found, rank FROM article_search WHERE article_search MATCH ",
    );
    pass.push_bind_param::<Ranked, _>(search)?;
    // `LIMIT -1` is no limit, but keeps SQLite from ranking again for each article that it finds.
    pass.push_sql(" AND within_time_limit(rowid) LIMIT -1) ON found = number");
    Ok(())
}

pub(super) fn best_match_first<'b>(
    pass: &mut Pass<'_, 'b, Sqlite>,
    search: &'b Search,
) -> QueryResult<()> {
    // The better the match, the more negative the rank; articles that match only because they lack a word have
    // none.
    pass.push_sql(
        "rank IS NULL, number IN (SELECT rowid FROM article_search WHERE article_search MATCH ",
    );
    pass.push_bind_param::<InTitle, _>(search)?;
    pass.push_sql(" AND within_time_limit(rowid)) DESC, ");
    if search.ranked_words().any(|words| words.len() > 1) {
        pass.push_sql("number IN (SELECT rowid FROM article_search WHERE article_search MATCH ");
        pass.push_bind_param::<CloseTogether, _>(search)?;
        pass.push_sql(" AND within_time_limit(rowid)) DESC, ");
    }
    pass.push_sql("rank");
    Ok(())
}

/// All words of an alternative, in the title.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(sqlite_type(name = "Text"))]
pub(super) struct InTitle;

impl ToSql<InTitle, Sqlite> for Search {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        let alternatives = self.ranked_words().map(|words| {
            let words: Vec<String> = words
                .iter()
                .map(|term| format!("\"{}\"", term.term))
                .collect();
            format!("({})", words.join(" AND "))
        });
        let alternatives: Vec<String> = alternatives.collect();
        out.set_value(match alternatives.is_empty() {
            true => NOTHING.to_owned(),
            false => format!("title : ({})", alternatives.join(" OR ")),
        });
        Ok(IsNull::No)
    }
}

/// Each word of an alternative close to its predecessor in the search.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(sqlite_type(name = "Text"))]
pub(super) struct CloseTogether;

impl ToSql<CloseTogether, Sqlite> for Search {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        let several = self.ranked_words().filter(|words| words.len() > 1);
        let alternatives = several.map(|words| {
            let pairs = words.windows(2).map(|pair| {
                // The maximum number of words in between.
                let between = CLOSE - 1;
                format!("NEAR(\"{}\" \"{}\", {between})", pair[0].term, pair[1].term)
            });
            let pairs: Vec<String> = pairs.collect();
            format!("({})", pairs.join(" AND "))
        });
        let alternatives: Vec<String> = alternatives.collect();
        out.set_value(match alternatives.is_empty() {
            true => NOTHING.to_owned(),
            false => alternatives.join(" OR "),
        });
        Ok(IsNull::No)
    }
}

/// An empty phrase, which matches nothing.
const NOTHING: &str = "\"\"";

/// The articles that match no alternative of excluded words only: those that contain an excluded word of each.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(sqlite_type(name = "Text"))]
pub(super) struct Excluded;

impl ToSql<Excluded, Sqlite> for Search {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        let alternatives: Vec<String> = self
            .alternatives
            .iter()
            .filter(|alternative| alternative.with.is_empty())
            .map(|alternative| format!("({})", joined(&alternative.without, " OR ")))
            .collect();
        out.set_value(alternatives.join(" AND "));
        Ok(IsNull::No)
    }
}

/// The FTS5 query: all alternatives that require a word.
impl ToSql<Text, Sqlite> for Search {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(found(self));
        Ok(IsNull::No)
    }
}

/// The words that FTS5 ranks by. For each article it compares each position of each word with those of all other words,
/// and before the first it counts the articles with each word; it calls none of our functions in the meantime, so no
/// time limit applies.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(sqlite_type(name = "Text"))]
pub(super) struct Ranked;

impl ToSql<Ranked, Sqlite> for Search {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(match self.words() <= RANKED_WORDS {
            true => found(self),
            false => found(&self.first_words(RANKED_WORDS)),
        });
        Ok(IsNull::No)
    }
}

fn found(search: &Search) -> String {
    let alternatives: Vec<String> = search
        .alternatives
        .iter()
        .filter(|alternative| !alternative.with.is_empty())
        .map(|alternative| format!("({})", with_and_without(alternative)))
        .collect();
    match alternatives.is_empty() {
        true => NOTHING.to_owned(),
        false => alternatives.join(" OR "),
    }
}

fn with_and_without(alternative: &Alternative) -> String {
    let with = joined(&alternative.with, " AND ");
    match alternative.without.is_empty() {
        true => with,
        false => format!("({with}) NOT ({})", joined(&alternative.without, " OR ")),
    }
}

/// Words contain no characters of FTS5's syntax, so within quotation marks they are literal.
fn joined(phrases: &[Phrase], operator: &str) -> String {
    let phrases: Vec<String> = phrases.iter().map(phrase).collect();
    phrases.join(operator)
}

fn phrase(phrase: &Phrase) -> String {
    let parts = phrase.parts().map(|part| {
        let terms: Vec<&str> = part.iter().map(|term| term.term.as_str()).collect();
        format!("\"{}\"", terms.join(" "))
    });
    let accents = phrase
        .accented()
        .map(|accented| format!("accents : \"{accented}\""));
    let mut all: Vec<String> = parts.chain(accents).collect();
    match all.len() {
        1 => all.remove(0),
        _ => format!("({})", all.join(" AND ")),
    }
}
