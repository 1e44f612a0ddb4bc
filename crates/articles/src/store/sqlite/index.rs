//! The search index of SQLite: the computed words of articles, in an FTS5 table that does not store the texts.
//!
//! Triggers record in `search_due` which articles must be indexed. All writes that share a transaction are followed by
//! one pass over these records, because FTS5 flushes its words before every statement inside a savepoint.

pub(in crate::store) mod due;
pub(in crate::store) mod segments;
mod statements;

use std::collections::{HashMap, HashSet};

use diesel::sql_types::{BigInt, Bool, Integer, Nullable};
use diesel::{
    Connection as _, OptionalExtension as _, QueryResult, RunQueryDsl as _, SqliteConnection,
};

use self::statements::{
    Before, DeleteDue, DueArticles, DueRows, InsertEntries, LoadState, Numbered, NumberedRow,
    Remove, State, TextsRow,
};
use crate::article::ArticleId;
use crate::article::words::ArticleWords;
use crate::error::Result;
use crate::store::indexing::{Batch, IndexedBatch, MAX_BYTES, STORED_RULES};
use crate::store::sql::tables::search_due;

/// The newest position of due articles before a transaction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    before: i64,
}

impl Due {
    pub(super) fn current(connection: &mut SqliteConnection) -> QueryResult<Self> {
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
        self.index_by(connection, |connection| {
            let due_rows = DueRows {
                after: self.before,
                limit: i64::MAX,
            };
            let due_rows: Vec<(i64, i64)> = due_rows.load(connection)?;
            let numbers = due_rows.into_iter().map(|(_, number)| number);
            index(connection, numbers).map(|count| count > 0)
        });
    }

    /// The same as [`index`](Self::index) for articles whose words are already computed.
    pub(super) fn index_computed(
        self,
        connection: &mut SqliteConnection,
        mut words: HashMap<ArticleId, Words>,
    ) {
        self.index_by(connection, |connection| {
            let due_rows: Vec<(i64, ArticleId)> = DueArticles(self.before).load(connection)?;
            if due_rows.len() != words.len()
                || due_rows.iter().any(|(_, id)| !words.contains_key(id))
            {
                // The end of the transaction indexes them.
                return Ok(false);
            }
            let entries = due_rows.into_iter().filter_map(|(number, id)| {
                let words = words.remove(&id)?;
                Some(Entry { number, words })
            });
            insert_entries(connection, entries.collect())?;
            Ok(true)
        });
    }

    /// Runs `index`, and if it returns true forgets what was due.
    fn index_by(
        self,
        connection: &mut SqliteConnection,
        index: impl FnOnce(&mut SqliteConnection) -> QueryResult<bool>,
    ) {
        let indexed = connection.transaction(|connection| {
            if index(connection)? {
                let delete = DeleteDue {
                    from: self.before + 1,
                    upto: i64::MAX,
                };
                delete.execute(connection)?;
            }
            QueryResult::Ok(())
        });
        if let Err(error) = indexed {
            tracing::error!(%error, "new articles are found later, because they could not be indexed");
        }
    }
}

/// `None` where the schema is older and has no index of this form: nothing is recorded then.
pub(super) fn due(connection: &mut SqliteConnection) -> Option<Due> {
    Due::current(connection).ok()
}

/// Indexes some articles that other programs have written, or else older articles.
pub(in crate::store) fn index_batch(
    connection: &mut SqliteConnection,
    batch: Batch,
) -> Result<IndexedBatch> {
    let mut state: State = LoadState.get_result(connection)?;
    if state.rules < STORED_RULES {
        begin(connection)?;
        state = LoadState.get_result(connection)?;
    }
    let due_rows: Vec<(i64, i64)> = DueRows {
        after: 0,
        limit: batch.articles,
    }
    .load(connection)?;
    if let (Some((last, _)), Some((first, _))) = (due_rows.first(), due_rows.last()) {
        let numbers = due_rows.iter().map(|(_, number)| *number);
        let indexed = match batch.is_skipped {
            true => due_rows.len(),
            false => index(connection, numbers)?,
        };
        DeleteDue {
            from: *first,
            upto: *last,
        }
        .execute(connection)?;
        return Ok(IndexedBatch { indexed });
    }
    if state.is_complete {
        return Ok(IndexedBatch { indexed: 0 });
    }
    continue_pass(connection, &state, batch)
}

/// Indexes the next articles in the pass over all.
fn continue_pass(
    connection: &mut SqliteConnection,
    state: &State,
    batch: Batch,
) -> Result<IndexedBatch> {
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
        insert_entries(connection, entries)?;
    }
    diesel::sql_query("UPDATE search_index SET number = ?1, is_complete = ?2, done = done + ?3")
        .bind::<Nullable<BigInt>, _>(reached)
        .bind::<Bool, _>(is_complete)
        .bind::<BigInt, _>(i64::try_from(indexed).unwrap_or_default())
        .execute(connection)?;
    Ok(IndexedBatch { indexed })
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
        if entries.len() == MAX_ENTRIES || bytes >= MAX_BYTES {
            insert_entries(connection, std::mem::take(&mut entries))?;
            bytes = 0;
        }
    }
    insert_entries(connection, entries)?;
    Ok(seen.len())
}

/// The maximum number of articles in a statement. SQLite allows 32,766 values in one.
const MAX_ENTRIES: usize = 1_000;

/// One statement, because FTS5 flushes its words before each; and in ascending order of their numbers, because it also
/// flushes them before each lower number.
fn insert_entries(connection: &mut SqliteConnection, mut entries: Vec<Entry>) -> QueryResult<()> {
    if !entries.is_empty() {
        entries.sort_unstable_by_key(|entry| entry.number);
        InsertEntries(entries).execute(connection)?;
    }
    Ok(())
}

/// The words of an article as the index takes them: between spaces.
#[derive(Debug, Clone)]
pub(in crate::store) struct Words {
    title: String,
    text: String,
    accents: String,
}

/// An article of the index.
struct Entry {
    number: i64,
    words: Words,
}

impl Words {
    pub(in crate::store) fn of(title: &str, text: &str) -> Self {
        let words = ArticleWords::of(title, text);
        let accents: Vec<String> = words.accented.into_iter().collect();
        Self {
            title: words.title.into_between_spaces(),
            text: words.text.into_between_spaces(),
            accents: accents.join(" "),
        }
    }
}

impl Entry {
    fn of(number: i64, title: &str, text: &str) -> Self {
        let words = Words::of(title, text);
        Self { number, words }
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use diesel::dsl::sql;

    use super::*;
    use crate::store::migrations::{self, Migrate};

    #[test]
    fn entries_due_together_are_written_once() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        migrations::migrate(&mut connection, &migrations::SQLITE, true, Migrate::Up).unwrap();
        let due = Due::current(&mut connection).unwrap();
        connection
            .batch_execute(
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100)
                INSERT INTO article (id, title, slug, text)
                SELECT randomblob(16), 'title ' || n, 'slug-' || n, 'text ' || n FROM n",
            )
            .unwrap();
        due.index(&mut connection);
        let left = diesel::select(sql::<BigInt>("(SELECT count(*) FROM search_due)"));
        assert_eq!(left.get_result::<i64>(&mut connection).unwrap(), 0);
        // The lowest number that is free is the next segment's.
        let segments = "(SELECT max(segid) FROM article_search_idx)";
        let segments = diesel::select(sql::<BigInt>(segments));
        assert_eq!(segments.get_result::<i64>(&mut connection).unwrap(), 1);
    }
}
