//! The data that reverting a migration deletes.

use diesel::dsl::sql;
use diesel::sql_types::BigInt;

use super::connection::run;
use super::{Access, Store};
use crate::error::Result;

/// The number of rows that would be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    pub articles: i64,
    /// Rows of the change feed; the cursors of all clients expire with them.
    pub changes: i64,
    /// Idempotency keys; requests that are sent again with one of them would be executed again.
    pub idempotency_keys: i64,
}

impl Store {
    /// The data that is lost when the migration with this version, the last of the database, is reverted.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn loss_by_reverting(&self, version: &str) -> Result<Loss> {
        // Migrations that are not listed here delete only data that the program can compute again.
        Ok(match version {
            "0001" => Loss {
                articles: self.count("(SELECT count(*) FROM article)").await?,
                ..Loss::default()
            },
            "0003" => Loss {
                changes: self.count("(SELECT count(*) FROM article_change)").await?,
                ..Loss::default()
            },
            "0007" => Loss {
                idempotency_keys: self.count("(SELECT count(*) FROM idempotency_key)").await?,
                ..Loss::default()
            },
            _ => Loss::default(),
        })
    }

    async fn count(&self, count: &'static str) -> Result<i64> {
        self.run(Access::Read, move |connection| {
            Box::pin(async move {
                Ok(run!(connection, |c| diesel::select(sql::<BigInt>(count))
                    .get_result(c))?)
            })
        })
        .await
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self {
                articles: 1..,
                changes: 0,
                ..
            } => write!(f, "all articles ({})", self.articles),
            Self { changes: 1.., .. } => write!(
                f,
                "all changes of the feed ({}), and with them the cursors of all clients",
                self.changes
            ),
            Self {
                idempotency_keys: 1..,
                ..
            } => write!(
                f,
                "all idempotency keys ({}), so that a mutation that is sent again is executed again",
                self.idempotency_keys
            ),
            _ => f.write_str("no article and no change of the feed"),
        }
    }
}
