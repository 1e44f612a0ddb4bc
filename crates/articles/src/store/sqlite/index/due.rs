//! Due articles whose words are computed before the database is locked to write them.

use std::collections::HashSet;

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Integer};
use diesel::sqlite::Sqlite;
use diesel::{OptionalExtension as _, QueryResult, RunQueryDsl as _, SqliteConnection};

use super::statements::{Numbered, Remove, TextsRow};
use super::{Entry, insert_entries};
use crate::store::sql::select::query;

/// The maximum number of articles per transaction, and of bytes of their texts. All their words are in memory at the
/// same time, and take several times as much.
const MAX_ARTICLES: i64 = 1_000;
const MAX_BYTES: usize = 1024 * 1024;

/// Articles with their words, and their positions in `search_due`.
#[derive(Default)]
pub(in crate::store) struct ComputedWords {
    positions: Vec<(i64, i64)>,
    articles: Vec<Article>,
    /// Numbers of deleted articles.
    deleted: Vec<i64>,
}

/// An article as it was when its words were computed.
struct Article {
    row: TextsRow,
    entry: Entry,
}

impl ComputedWords {
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The lowest position: articles due below it are not included.
    pub(in crate::store) fn oldest(&self) -> i64 {
        self.positions.last().map_or(0, |(position, _)| *position)
    }
}

/// Computes the words of the newest due articles before a position.
pub(in crate::store) fn compute(
    connection: &mut SqliteConnection,
    before: i64,
) -> QueryResult<ComputedWords> {
    let due_rows: Vec<(i64, i64)> = DueBefore(before).load(connection)?;
    let mut computed = ComputedWords::default();
    let (mut seen, mut bytes) = (HashSet::new(), 0);
    for (position, number) in due_rows {
        if bytes >= MAX_BYTES {
            break;
        }
        computed.positions.push((position, number));
        if !seen.insert(number) {
            continue;
        }
        let row = Numbered(number).get_result::<TextsRow>(connection);
        match row.optional()? {
            Some(row) => {
                bytes += row.text.shown.len();
                let entry = Entry::of(number, &row.title.shown, &row.text.shown);
                computed.articles.push(Article { row, entry });
            }
            None => computed.deleted.push(number),
        }
    }
    Ok(computed)
}

/// Indexes the articles that are unchanged. The others stay due. Returns how many are no longer due.
///
/// The transaction has no savepoint: without one, FTS5 gathers words over many statements. A statement of many rows
/// would need a copy of each page that it changes, so that it can be undone, and the copies are in memory: tens of
/// megabytes while FTS5 merges.
pub(in crate::store) fn write(
    connection: &mut SqliteConnection,
    computed: ComputedWords,
) -> QueryResult<i64> {
    let ComputedWords {
        positions,
        articles,
        deleted,
    } = computed;
    let mut entries = Vec::with_capacity(articles.len());
    let mut changed = HashSet::new();
    for Article { row, entry } in articles {
        let now = Numbered(entry.number).get_result::<TextsRow>(connection);
        let is_same = now.optional()?.is_some_and(|now| {
            now.title.shown == row.title.shown && now.text.shown == row.text.shown
        });
        match is_same {
            true => entries.push(entry),
            false => _ = changed.insert(entry.number),
        }
    }
    for number in deleted {
        let now = Numbered(number).get_result::<TextsRow>(connection);
        match now.optional()? {
            None => _ = Remove(number).execute(connection)?,
            Some(_) => _ = changed.insert(number),
        }
    }
    // FTS5 writes out its words before each number that is lower than the one before.
    entries.sort_unstable_by_key(|entry| entry.number);
    for entry in entries {
        insert_entries(connection, vec![entry])?;
    }
    let mut removed = 0;
    for (position, number) in positions {
        if !changed.contains(&number) {
            removed += DeleteDueRow { position, number }.execute(connection)?;
        }
    }
    Ok(i64::try_from(removed).unwrap_or_default())
}

/// Due articles before a position, the newest first.
struct DueBefore(i64);

/// Positions are reused after the last ones are deleted, so the position alone does not identify a row.
struct DeleteDueRow {
    position: i64,
    number: i64,
}

impl QueryFragment<Sqlite> for DueBefore {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("SELECT position, number FROM search_due WHERE position < ");
        pass.push_bind_param::<BigInt, _>(&self.0)?;
        pass.push_sql(" ORDER BY position DESC LIMIT ");
        pass.push_bind_param::<BigInt, _>(&MAX_ARTICLES)
    }
}

impl QueryFragment<Sqlite> for DeleteDueRow {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("DELETE FROM search_due WHERE position = ");
        pass.push_bind_param::<BigInt, _>(&self.position)?;
        pass.push_sql(" AND number = ");
        pass.push_bind_param::<BigInt, _>(&self.number)
    }
}

query!(DueBefore, (BigInt, BigInt));
query!(DeleteDueRow, Integer);
