//! What reverting a migration takes with it.

use diesel::dsl::sql;
use diesel::sql_types::BigInt;

use super::connection::run;
use super::{Access, Store};
use crate::error::Result;

/// How many rows would be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    pub articles: i64,
    /// Of the change feed; the cursors of all clients expire with them.
    pub changes: i64,
}

impl Store {
    /// What is lost where the migration of this version, the last of the database, is reverted.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn loss_by_reverting(&self, version: &str) -> Result<Loss> {
        // A migration that is not named here removes nothing but what the program can make anew.
        Ok(match version {
            "0001" => Loss {
                articles: self.count("(SELECT count(*) FROM article)").await?,
                changes: 0,
            },
            "0003" => Loss {
                articles: 0,
                changes: self.count("(SELECT count(*) FROM article_change)").await?,
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
                articles: 0,
                changes: 0,
            } => f.write_str("no article and no change of the feed"),
            Self {
                articles,
                changes: 0,
            } => write!(f, "all articles ({articles})"),
            Self { changes, .. } => write!(
                f,
                "all changes of the feed ({changes}), and with them the cursors of all clients"
            ),
        }
    }
}
