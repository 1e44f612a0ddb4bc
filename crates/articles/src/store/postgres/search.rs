//! Executes a search on PostgreSQL, on the words that the server has computed for the articles.

use std::fmt::Write as _;
use std::io::Write as _;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{HasSqlType, Text};

use super::vector::ACCENTED;
use crate::article::search::{Alternative, CLOSE, Phrase, Search, Term};
use crate::store::sql::dialect::Pass;
use crate::store::sql::select::Plan;

/// Writes the condition that an article matches.
///
/// Some words of a long text have their positions elsewhere, so phrases are searched for there too. The index serves
/// the first condition, in which the words of a phrase may be anywhere.
pub(super) fn matches<'b>(
    pass: &mut Pass<'_, 'b, Pg>,
    search: &'b Search,
    plan: Plan,
) -> QueryResult<()> {
    has::<Text, _>(pass, plan, search)?;
    if !search.has_phrases() {
        return Ok(());
    }
    pass.push_sql(" AND (");
    for (index, alternative) in search.alternatives.iter().enumerate() {
        pass.push_sql(if index == 0 { "(" } else { " OR (" });
        let with = alternative.with.iter().map(|phrase| ("", phrase));
        let without = alternative.without.iter().map(|phrase| ("NOT ", phrase));
        let phrases = with.chain(without).filter(|(_, phrase)| phrase.0.len() > 1);
        has::<Words, _>(pass, plan, alternative)?;
        for (not, phrase) in phrases {
            pass.push_sql(" AND ");
            pass.push_sql(not);
            contains_phrase(pass, phrase, plan)?;
        }
        pass.push_sql(")");
    }
    pass.push_sql(")");
    Ok(())
}

/// Writes the condition that the words of an article match a query. The function is that of the operator, but no index
/// serves it.
fn has<'b, T, Q>(pass: &mut Pass<'_, 'b, Pg>, plan: Plan, query: &'b Q) -> QueryResult<()>
where
    Pg: HasSqlType<T>,
    Q: ToSql<T, Pg> + ?Sized,
{
    let is_list = plan == Plan::List;
    pass.push_sql(if is_list {
        "ts_match_vq(search, "
    } else {
        "search @@ "
    });
    pass.push_bind_param::<T, _>(query)?;
    pass.push_sql(if is_list { "::tsquery)" } else { "::tsquery" });
    Ok(())
}

/// Writes the condition that an article contains a phrase.
fn contains_phrase<'b>(
    pass: &mut Pass<'_, 'b, Pg>,
    phrase: &'b Phrase,
    plan: Plan,
) -> QueryResult<()> {
    pass.push_sql("(");
    for (index, part) in phrase.parts().enumerate() {
        pass.push_sql(if index == 0 { "(" } else { " AND (" });
        has::<SideBySide, _>(pass, plan, part)?;
        pass.push_sql(
            " OR (id, search_version) IN \
            (SELECT article_id, version FROM article_search_part WHERE search @@ ",
        );
        pass.push_bind_param::<SideBySide, _>(part)?;
        pass.push_sql("::tsquery))");
    }
    if phrase.accented().next().is_some() {
        pass.push_sql(" AND ");
        has::<Accents, _>(pass, plan, phrase)?;
    }
    pass.push_sql(")");
    Ok(())
}

/// Writes how well an article matches, for `ORDER BY`: first articles with all words in the title, then those with the
/// words close together, each ordered by PostgreSQL's rank. Where the search has alternatives, rare words weigh more.
pub(super) fn best_match_first<'b>(
    pass: &mut Pass<'_, 'b, Pg>,
    search: &'b Search,
) -> QueryResult<()> {
    pass.push_sql("search @@ ");
    pass.push_bind_param::<InTitle, _>(search)?;
    pass.push_sql("::tsquery DESC, ");
    if search.ranked_words().any(|words| words.len() > 1) {
        pass.push_sql("search @@ ");
        pass.push_bind_param::<CloseTogether, _>(search)?;
        pass.push_sql("::tsquery DESC, ");
    }
    let alternatives = &search.alternatives;
    if !(2..=MAX_WEIGHED).contains(&alternatives.len()) {
        pass.push_sql("ts_rank(search, ");
        pass.push_bind_param::<Text, _>(search)?;
        pass.push_sql("::tsquery) DESC");
        return Ok(());
    }
    for (index, alternative) in alternatives.iter().enumerate() {
        pass.push_sql(if index == 0 {
            "ts_rank(search, "
        } else {
            " + ts_rank(search, "
        });
        pass.push_bind_param::<Text, _>(alternative)?;
        // Counted once per statement, only up to the number where differences still matter.
        pass.push_sql(
            "::tsquery) / (SELECT ln(2 + count(*)) ^ 2 FROM (SELECT FROM article WHERE search @@ ",
        );
        pass.push_bind_param::<Text, _>(alternative)?;
        pass.push_sql("::tsquery LIMIT 10000) AS found)");
    }
    pass.push_sql(" DESC");
    Ok(())
}

/// The maximum number of alternatives that are weighed by counting their articles.
const MAX_WEIGHED: usize = 8;

/// Adds a word to a `tsquery`; words contain no characters of its syntax. Words that the database has made keep their
/// accents, and ours never do, so the query accepts either.
fn word(out: &mut String, term: &Term) {
    // Writing into a string cannot fail.
    let _ = match &term.accented {
        Some(accented) => {
            let bare = &term.term;
            write!(out, "('{bare}' & '{ACCENTED}{accented}' | '{accented}')")
        }
        None => write!(out, "'{}'", term.term),
    };
}

/// Adds words joined by an operator.
fn joined<T>(
    out: &mut String,
    operator: &str,
    terms: impl IntoIterator<Item = T>,
    mut add: impl FnMut(&mut String, T),
) {
    for (index, term) in terms.into_iter().enumerate() {
        if index > 0 {
            out.push_str(operator);
        }
        add(out, term);
    }
}

/// A condition that every match satisfies: the words of a phrase may be anywhere, and an excluded phrase is left out.
impl ToSql<Text, Pg> for Search {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let mut query = String::new();
        joined(&mut query, " | ", &self.alternatives, demanded);
        out.write_all(query.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl ToSql<Text, Pg> for Alternative {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let mut query = String::new();
        demanded(&mut query, self);
        out.write_all(query.as_bytes())?;
        Ok(IsNull::No)
    }
}

fn demanded(query: &mut String, alternative: &Alternative) {
    let without = alternative.without.iter();
    let without = without.filter(|phrase| phrase.0.len() == 1);
    let with = alternative.with.iter().flat_map(|phrase| &phrase.0);
    let terms = with.map(|term| ("", term));
    let terms = terms.chain(without.flat_map(|phrase| &phrase.0).map(|term| ("!", term)));
    let mut terms = terms.peekable();
    if terms.peek().is_none() {
        // No term is a bare `=`, so this matches every article: another condition excludes phrases.
        query.push_str("!'='");
        return;
    }
    query.push('(');
    joined(query, " & ", terms, |query, (not, term)| {
        query.push_str(not);
        word(query, term);
    });
    query.push(')');
}

/// All words of an alternative, in the title.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 25, array_oid = 1009))]
struct InTitle;

impl ToSql<InTitle, Pg> for Search {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let mut query = String::new();
        joined(&mut query, " | ", self.ranked_words(), |query, words| {
            joined(query, " & ", words, |query, term| {
                let _ = write!(query, "'{}':A", term.term);
            });
        });
        out.write_all(or_no_match(&query).as_bytes())?;
        Ok(IsNull::No)
    }
}

/// Each word of an alternative close to its predecessor in the search.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 25, array_oid = 1009))]
struct CloseTogether;

impl ToSql<CloseTogether, Pg> for Search {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let mut query = String::new();
        let several = self.ranked_words().filter(|words| words.len() > 1);
        joined(&mut query, " | ", several, |query, words| {
            joined(query, " & ", words.windows(2), |query, pair| {
                query.push('(');
                let (one, other) = (&pair[0].term, &pair[1].term);
                joined(query, " | ", 1..=CLOSE, |query, distance| {
                    let _ = write!(
                        query,
                        "'{one}' <{distance}> '{other}' | '{other}' <{distance}> '{one}'"
                    );
                });
                query.push(')');
            });
        });
        out.write_all(or_no_match(&query).as_bytes())?;
        Ok(IsNull::No)
    }
}

/// The query, or one that finds nothing where it is empty.
fn or_no_match(query: &str) -> &str {
    match query {
        "" => "'='",
        query => query,
    }
}

/// The single words that an alternative requires or excludes.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 25, array_oid = 1009))]
struct Words;

impl ToSql<Words, Pg> for Alternative {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let single = |phrases: &'b [Phrase]| phrases.iter().filter(|phrase| phrase.0.len() == 1);
        let with = single(&self.with).map(|phrase| ("", phrase));
        let without = single(&self.without).map(|phrase| ("!", phrase));
        let mut query = String::new();
        joined(
            &mut query,
            " & ",
            with.chain(without),
            |query, (not, phrase)| {
                query.push_str(not);
                joined(query, "", &phrase.0, word);
            },
        );
        if query.is_empty() {
            query.push_str("!'='");
        }
        out.write_all(query.as_bytes())?;
        Ok(IsNull::No)
    }
}

/// Adjacent words, regardless of their accents.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 25, array_oid = 1009))]
struct SideBySide;

impl ToSql<SideBySide, Pg> for [Term] {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let mut query = String::new();
        joined(&mut query, " <-> ", self, |query, term| {
            let _ = match &term.accented {
                Some(accented) => write!(query, "('{}' | '{accented}')", term.term),
                None => write!(query, "'{}'", term.term),
            };
        });
        out.write_all(query.as_bytes())?;
        Ok(IsNull::No)
    }
}

/// The accented terms of a phrase.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 25, array_oid = 1009))]
struct Accents;

impl ToSql<Accents, Pg> for Phrase {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let mut query = String::new();
        joined(&mut query, " & ", self.accented(), |query, accented| {
            let _ = write!(query, "('{ACCENTED}{accented}' | '{accented}')");
        });
        out.write_all(query.as_bytes())?;
        Ok(IsNull::No)
    }
}
