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

/// A part of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum MergePart {
    /// Determines what is merged, and begins.
    First,
    Next,
}

impl Store {
    /// Merges the segments of SQLite's search index into one, while others write.
    pub(in crate::store) async fn merge_segments(&self) -> Result<()> {
        let mut next = Some(MergePart::First);
        while let Some(part) = next {
            next = self.merge_some(part).await?;
        }
        Ok(())
    }

    /// Does one part of that in a short write; returns the next.
    pub(in crate::store) async fn merge_some(&self, part: MergePart) -> Result<Option<MergePart>> {
        self.run_in_task(Access::Write, move |connection| {
            Box::pin(async move {
                match connection {
                    Connection::Sqlite(connection) => Ok(merge(connection, part)?),
                    Connection::Postgres(_) => Ok(None),
                }
            })
        })
        .await
    }
}

fn merge(connection: &mut SqliteConnection, part: MergePart) -> QueryResult<Option<MergePart>> {
    let before = total_changes(connection)?;
    let pages = match part {
        MergePart::First => -PAGES,
        MergePart::Next => PAGES,
    };
    diesel::sql_query("INSERT INTO article_search (article_search, rank) VALUES ('merge', ?1)")
        .bind::<BigInt, _>(pages)
        .execute(connection)?;
    // The statement itself is one.
    let has_merged = total_changes(connection)? - before > 1;
    Ok(has_merged.then_some(MergePart::Next))
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
        // Together more pages than are merged at once.
        for number in 0..3 {
            let due = Due::current(&mut connection).unwrap();
            let words = "hex(randomblob(20)) || ' ' ||".repeat(200);
            let insert = format!(
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20)
                INSERT INTO article (id, title, slug, text)
                SELECT randomblob(16), 'title', 'slug-{number}-' || n, {words} 'word' FROM n"
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
        let mut next = merge(&mut connection, MergePart::First).unwrap();
        assert!(segments(&mut connection) > 1);
        while let Some(part) = next {
            next = merge(&mut connection, part).unwrap();
        }
        assert_eq!(segments(&mut connection), 1);
    }
}
