//! Merges the segments of the search index. FTS5 looks for a word in each of them, and a pass over all articles leaves
//! many.

use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel::{QueryResult, RunQueryDsl as _, SqliteConnection};

use crate::error::Result;
use crate::store::connection::Connection;
use crate::store::{Access, Store};

/// The number of pages that are merged in one transaction, which takes some tens of milliseconds.
const PAGES: i64 = 50;

impl Store {
    /// Merges the segments of SQLite's search index into one, while others write.
    pub(in crate::store) async fn merge_segments(&self) -> Result<()> {
        let mut begins = true;
        loop {
            let has_merged = self.run_in_task(Access::Write, move |connection| {
                Box::pin(async move {
                    match connection {
                        Connection::Sqlite(connection) => Ok(merge(connection, begins)?),
                        Connection::Postgres(_) => Ok(false),
                    }
                })
            });
            if !has_merged.await? {
                return Ok(());
            }
            begins = false;
        }
    }
}

/// Merges some pages, after it `begins` of all segments, and returns whether there were any.
fn merge(connection: &mut SqliteConnection, begins: bool) -> QueryResult<bool> {
    let before = total_changes(connection)?;
    diesel::sql_query("INSERT INTO article_search (article_search, rank) VALUES ('merge', ?1)")
        .bind::<BigInt, _>(if begins { -PAGES } else { PAGES })
        .execute(connection)?;
    // The statement itself is one.
    Ok(total_changes(connection)? - before > 1)
}

fn total_changes(connection: &mut SqliteConnection) -> QueryResult<i64> {
    diesel::select(sql::<BigInt>("total_changes()")).get_result(connection)
}

#[cfg(test)]
mod tests {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;

    use super::super::Due;
    use super::*;
    use crate::store::migrations::{self, Migrate};

    #[test]
    fn all_segments_become_one() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        migrations::migrate(&mut connection, &migrations::SQLITE, true, Migrate::Up).unwrap();
        for number in 0..3 {
            let due = Due::current(&mut connection).unwrap();
            let insert = format!(
                "INSERT INTO article (id, title, slug, text)
                VALUES (randomblob(16), 'title', 'slug-{number}', 'word{number}')"
            );
            connection.batch_execute(&insert).unwrap();
            due.index(&mut connection);
        }
        let segments = |connection: &mut SqliteConnection| {
            let count = "(SELECT count(DISTINCT segid) FROM article_search_idx)";
            diesel::select(sql::<BigInt>(count))
                .get_result::<i64>(connection)
                .unwrap()
        };
        assert_eq!(segments(&mut connection), 3);
        let mut begins = true;
        while merge(&mut connection, begins).unwrap() {
            begins = false;
        }
        assert_eq!(segments(&mut connection), 1);
    }
}
