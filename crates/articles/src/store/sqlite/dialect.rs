//! SQLite's side of the dialect.

use diesel::QueryResult;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Binary, Text};
use diesel::sqlite::Sqlite;

use crate::article::ArticleId;
use crate::article::filter::{Affix, Place, fold_case};
use crate::article::search::{Alternative, CLOSE, Phrase, RANKED_WORDS, Search};
use crate::clock::Timestamp;
use crate::store::postgres::vector::Words;
use crate::store::sql::dialect::{Dialect, Pass, binds};

impl Dialect for Sqlite {
    const SOME_INSTANT: &'static str = "0";
    const TIME_LIMIT: Option<&'static str> = Some("within_time_limit(number)");
    const TEXT_BYTES_AS_JSON: &'static str = "octet_length(json_quote(text)) - 2";
    const TITLE_AND_SLUG: &'static str = "CAST(title AS BLOB), CAST(slug AS BLOB)";
    const TEXT: &'static str = "CAST(text AS BLOB)";
    const VERSION: &'static str = "min(max(version, 1), 2147483647)";
    const AS_SHOWN: &'static str = "";

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

    fn unplanned<'b>(
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

    fn matches<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()> {
        // FTS5 can subtract words from a result, but cannot express "all articles except". Two subqueries serve any
        // number of alternatives, because SQLite limits the depth of an expression.
        let (found, lacking): (Vec<&Alternative>, Vec<&Alternative>) = search
            .alternatives
            .iter()
            .partition(|alternative| !alternative.with.is_empty());
        pass.push_sql("(");
        if !found.is_empty() {
            pass.push_sql(
                "number IN (SELECT rowid FROM article_search WHERE article_search MATCH ",
            );
            pass.push_bind_param::<Text, _>(search)?;
            pass.push_sql(" AND within_time_limit(rowid))");
        }
        if !lacking.is_empty() {
            pass.push_sql(if found.is_empty() { "" } else { " OR " });
            pass.push_sql(
                "number NOT IN (SELECT rowid FROM article_search WHERE article_search MATCH ",
            );
            pass.push_bind_param::<Excluded, _>(search)?;
            pass.push_sql(" AND within_time_limit(rowid))");
        }
        pass.push_sql(")");
        Ok(())
    }

    fn bind_words<'b>(_: &mut Pass<'_, 'b, Self>, _: &'b Words) -> QueryResult<()> {
        Err(no_words())
    }

    fn bind_parts<'b>(_: &mut Pass<'_, 'b, Self>, _: &'b Words) -> QueryResult<()> {
        Err(no_words())
    }

    fn join_relevance<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()> {
        pass.push_sql(
            " LEFT JOIN (SELECT rowid AS found, rank FROM article_search WHERE article_search MATCH ",
        );
        pass.push_bind_param::<Ranked, _>(search)?;
        // `LIMIT -1` is no limit, but keeps SQLite from ranking again for each article that it finds.
        pass.push_sql(" AND within_time_limit(rowid) LIMIT -1) ON found = number");
        Ok(())
    }

    fn best_match_first<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()> {
        // The better the match, the more negative the rank; articles that match only because they lack a word have
        // none.
        pass.push_sql(
            "rank IS NULL, number IN (SELECT rowid FROM article_search WHERE article_search MATCH ",
        );
        pass.push_bind_param::<InTitle, _>(search)?;
        pass.push_sql(" AND within_time_limit(rowid)) DESC, ");
        if search.ranked_words().any(|words| words.len() > 1) {
            pass.push_sql(
                "number IN (SELECT rowid FROM article_search WHERE article_search MATCH ",
            );
            pass.push_bind_param::<CloseTogether, _>(search)?;
            pass.push_sql(" AND within_time_limit(rowid)) DESC, ");
        }
        pass.push_sql("rank");
        Ok(())
    }
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

/// The part, folded in the same way as the texts.
impl ToSql<Text, Sqlite> for Affix {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(fold_case(&self.part));
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
