//! How far the feed is behind the commits, and how far a reader is behind the feed.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable};

use crate::article::change::FeedCursor;
use crate::error::Result;
use crate::store::connection::Connection;
use crate::store::{Access, Store, postgres, sqlite};

/// The maximum number of changes without a position that are counted.
pub(in crate::store) const COUNTED: i64 = 100_000;

/// The lag of the feed and of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedLag {
    /// Committed changes without a position, at most 100,000; always 0 on SQLite, where a change gets its position when
    /// it is written.
    pub unnumbered: i64,
    /// Changes with a position after the given cursor.
    pub unsent: i64,
    /// How long ago the first of those got its position.
    pub unsent_for: Duration,
}

/// The row that both databases return.
#[derive(QueryableByName)]
pub(in crate::store) struct LagRow {
    #[diesel(sql_type = BigInt)]
    pub(in crate::store) unnumbered: i64,
    /// The newest position.
    #[diesel(sql_type = BigInt)]
    pub(in crate::store) head: i64,
    /// How many microseconds ago the first change after a position got its own position.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(in crate::store) age: Option<i64>,
}

impl Store {
    /// How far the feed is behind the commits, and `cursor` behind the feed. Numbers no changes.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn feed_lag(&self, cursor: Option<FeedCursor>) -> Result<FeedLag> {
        let after = cursor.map_or(i64::MAX, |cursor| cursor.position);
        self.run(Access::Read, move |connection| {
            Box::pin(async move {
                let row = match connection {
                    Connection::Postgres(connection) => {
                        postgres::feed::lag(connection, after).await?
                    }
                    Connection::Sqlite(connection) => sqlite::feed::lag(connection, after)?,
                };
                let age = u64::try_from(row.age.unwrap_or_default());
                Ok(FeedLag {
                    unnumbered: row.unnumbered,
                    unsent: row.head.saturating_sub(after).max(0),
                    unsent_for: Duration::from_micros(age.unwrap_or_default()),
                })
            })
        })
        .await
    }
}
