//! The search index of SQLite: the computed words of articles, in an FTS5 table that does not store the texts.
//!
//! Triggers record in `search_due` which articles must be indexed. All writes that share a transaction are followed by
//! one pass over these records, because FTS5 flushes its words before every statement inside a savepoint.

pub(in crate::store) mod due;

use std::collections::HashSet;

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel::{
    Connection as _, OptionalExtension as _, QueryResult, Queryable, RunQueryDsl as _,
    SqliteConnection,
};

use crate::article::words::ArticleWords;
use crate::error::Result;
use crate::store::indexing::{Batch, MOST_BYTES, Round, STORED_RULES};
use crate::store::sql::select::query;
use crate::store::sql::stored::StoredText;
use crate::store::sql::tables::search_due;

/// The newest position of due articles before a transaction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    before: i64,
}

impl Due {
    pub(super) fn look(connection: &mut SqliteConnection) -> QueryResult<Self> {
        use diesel::QueryDsl as _;
        let last: Option<i64> = search_due::table
            .select(diesel::dsl::max(search_due::position))
            .get_result(connection)?;
        Ok(Self {
            before: last.unwrap_or_default(),
        })
    }

    /// Indexes what has become due since. On failure the articles stay due, and the writes are kept.
    pub(super) fn index(self, connection: &mut SqliteConnection) {
        let indexed = connection.transaction(|connection| {
            let noted = Noted {
                after: self.before,
                limit: i64::MAX,
            };
            let noted: Vec<(i64, i64)> = noted.load(connection)?;
            if noted.is_empty() {
                return Ok(());
            }
            index(connection, noted.into_iter().map(|(_, number)| number))?;
            Forget {
                from: self.before + 1,
                upto: i64::MAX,
            }
            .execute(connection)?;
            QueryResult::Ok(())
        });
        if let Err(error) = indexed {
            tracing::error!(%error, "what was written is found later, because it could not be indexed");
        }
    }
}

/// `None` where the schema is older and has no index of this form: nothing is recorded then.
pub(super) fn due(connection: &mut SqliteConnection) -> Option<Due> {
    Due::look(connection).ok()
}

/// Indexes some articles that other programs have written, or else older articles.
pub(in crate::store) fn round(connection: &mut SqliteConnection, batch: Batch) -> Result<Round> {
    let mut state: State = LoadState.get_result(connection)?;
    if state.rules < STORED_RULES {
        begin(connection)?;
        state = LoadState.get_result(connection)?;
    }
    let noted: Vec<(i64, i64)> = Noted {
        after: 0,
        limit: batch.articles,
    }
    .load(connection)?;
    if let (Some((last, _)), Some((first, _))) = (noted.first(), noted.last()) {
        let numbers = noted.iter().map(|(_, number)| *number);
        let indexed = match batch.is_skipped {
            true => noted.len(),
            false => index(connection, numbers)?,
        };
        Forget {
            from: *first,
            upto: *last,
        }
        .execute(connection)?;
        return Ok(Round { indexed });
    }
    if state.is_complete {
        return Ok(Round { indexed: 0 });
    }
    go_on(connection, &state, batch)
}

/// Indexes the next articles in the pass over all.
fn go_on(connection: &mut SqliteConnection, state: &State, batch: Batch) -> Result<Round> {
    let mut bytes = 0;
    let mut reached = state.number;
    let mut entries = Vec::new();
    let mut is_complete = false;
    while i64::try_from(entries.len()).is_ok_and(|count| count < batch.articles)
        && bytes < batch.bytes
    {
        let next = Before(reached.unwrap_or(i64::MAX));
        let Some(row) = next.get_result::<NumberedRow>(connection).optional()? else {
            is_complete = true;
            break;
        };
        bytes += row.text.shown.len();
        reached = Some(row.number);
        entries.push(Entry::of(row.number, &row.title.shown, &row.text.shown));
    }
    let indexed = entries.len();
    if !batch.is_skipped {
        put(connection, entries)?;
    }
    diesel::sql_query("UPDATE search_index SET number = ?1, is_complete = ?2, done = done + ?3")
        .bind::<Nullable<BigInt>, _>(reached)
        .bind::<Bool, _>(is_complete)
        .bind::<BigInt, _>(i64::try_from(indexed).unwrap_or_default())
        .execute(connection)?;
    Ok(Round { indexed })
}

/// Starts another pass over all articles.
pub(in crate::store) fn begin(connection: &mut SqliteConnection) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE search_index SET rules = ?1, is_complete = 0, number = NULL, done = 0,
            total = (SELECT count(*) FROM article)",
    )
    .bind::<Integer, _>(STORED_RULES)
    .execute(connection)?;
    Ok(())
}

/// Adds the words of these articles to the index, or removes them where an article is deleted. Returns the number of
/// articles.
fn index(
    connection: &mut SqliteConnection,
    numbers: impl IntoIterator<Item = i64>,
) -> QueryResult<usize> {
    let mut seen = HashSet::new();
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for number in numbers {
        if !seen.insert(number) {
            continue;
        }
        match Numbered(number)
            .get_result::<TextsRow>(connection)
            .optional()?
        {
            Some(row) => {
                bytes += row.text.shown.len();
                entries.push(Entry::of(number, &row.title.shown, &row.text.shown));
            }
            None => {
                Remove(number).execute(connection)?;
            }
        }
        if entries.len() == MOST_ENTRIES || bytes >= MOST_BYTES {
            put(connection, std::mem::take(&mut entries))?;
            bytes = 0;
        }
    }
    put(connection, entries)?;
    Ok(seen.len())
}

/// The maximum number of articles in a statement. SQLite allows 32,766 values in one.
const MOST_ENTRIES: usize = 1_000;

/// One statement, because FTS5 flushes its words before each.
fn put(connection: &mut SqliteConnection, entries: Vec<Entry>) -> QueryResult<()> {
    if !entries.is_empty() {
        Put(entries).execute(connection)?;
    }
    Ok(())
}

impl Entry {
    fn of(number: i64, title: &str, text: &str) -> Self {
        let words = ArticleWords::of(title, text);
        let accents: Vec<String> = words.accented.into_iter().collect();
        Self {
            number,
            title: words.title.join(" "),
            text: words.text.join(" "),
            accents: accents.join(" "),
        }
    }
}

#[derive(Queryable)]
struct TextsRow {
    title: StoredText,
    text: StoredText,
}

#[derive(Queryable)]
struct NumberedRow {
    number: i64,
    title: StoredText,
    text: StoredText,
}

#[derive(Queryable)]
struct State {
    rules: i32,
    is_complete: bool,
    number: Option<i64>,
}

/// Due articles, the newest first.
struct Noted {
    after: i64,
    limit: i64,
}

struct LoadState;
struct Numbered(i64);
struct Before(i64);
struct Remove(i64);

struct Forget {
    from: i64,
    upto: i64,
}

struct Put(Vec<Entry>);

/// Computed words, separated by spaces.
struct Entry {
    number: i64,
    title: String,
    text: String,
    accents: String,
}

impl QueryFragment<Sqlite> for Noted {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("SELECT position, number FROM search_due WHERE position > ");
        pass.push_bind_param::<BigInt, _>(&self.after)?;
        pass.push_sql(" ORDER BY position DESC LIMIT ");
        pass.push_bind_param::<BigInt, _>(&self.limit)
    }
}

impl QueryFragment<Sqlite> for LoadState {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("SELECT rules, is_complete, number FROM search_index");
        Ok(())
    }
}

impl QueryFragment<Sqlite> for Numbered {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql(
            "SELECT CAST(title AS BLOB), CAST(text AS BLOB) FROM article WHERE number = ",
        );
        pass.push_bind_param::<BigInt, _>(&self.0)
    }
}

impl QueryFragment<Sqlite> for Before {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql(
            "SELECT number, CAST(title AS BLOB), CAST(text AS BLOB) FROM article WHERE number < ",
        );
        pass.push_bind_param::<BigInt, _>(&self.0)?;
        pass.push_sql(" ORDER BY number DESC LIMIT 1");
        Ok(())
    }
}

impl QueryFragment<Sqlite> for Remove {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("DELETE FROM article_search WHERE rowid = ");
        pass.push_bind_param::<BigInt, _>(&self.0)
    }
}

impl QueryFragment<Sqlite> for Forget {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("DELETE FROM search_due WHERE position >= ");
        pass.push_bind_param::<BigInt, _>(&self.from)?;
        pass.push_sql(" AND position <= ");
        pass.push_bind_param::<BigInt, _>(&self.upto)
    }
}

impl QueryFragment<Sqlite> for Put {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        if self.0.len() != 1 {
            // There would be one statement for each number of rows.
            pass.unsafe_to_cache_prepared();
        }
        pass.push_sql(
            "INSERT OR REPLACE INTO article_search (rowid, title, text, accents) VALUES ",
        );
        for (index, entry) in self.0.iter().enumerate() {
            pass.push_sql(if index == 0 { "(" } else { ", (" });
            pass.push_bind_param::<BigInt, _>(&entry.number)?;
            for text in [&entry.title, &entry.text, &entry.accents] {
                pass.push_sql(", ");
                pass.push_bind_param::<Text, _>(text)?;
            }
            pass.push_sql(")");
        }
        Ok(())
    }
}

query!(Noted, (BigInt, BigInt));
query!(LoadState, (Integer, Bool, Nullable<BigInt>));
query!(Numbered, (Text, Text));
query!(Before, (BigInt, Text, Text));
query!(Remove, Integer);
query!(Forget, Integer);
query!(Put, Integer);
