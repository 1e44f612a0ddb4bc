//! Checks a database: that its schema is what the migrations make, and that derived data matches the articles.
//!
//! All checks only read, and run while servers are in use.

mod feed;
mod slugs;
mod words;

pub use self::words::WordsCheck;
use super::{Database, Store};
use crate::error::Result;

/// The result of one part of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was checked, such as `feed`.
    pub part: &'static str,
    /// A summary in a few words.
    pub summary: String,
    pub findings: Vec<Finding>,
}

/// A problem, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub what: String,
    pub remedy: String,
}

impl Finding {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// One line per finding, or a line that says that there are none.
impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            part,
            summary,
            findings,
        } = self;
        if findings.is_empty() {
            return writeln!(f, "{part}: {summary}, ok");
        }
        for Finding { what, remedy } in findings {
            writeln!(f, "{part}: {what}. {remedy}")?;
        }
        Ok(())
    }
}

impl Store {
    /// Checks that the tables, columns, indexes, constraints and triggers are those that the migrations make.
    /// Additional objects are ignored.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn check_schema(&self) -> Result<Checked> {
        match &self.0.database {
            Database::Postgres(_) => self.check_schema_of_postgres().await,
            Database::Sqlite(sqlite) => sqlite.check_schema().await,
        }
    }

    /// Checks the pages of an SQLite database; `None` on PostgreSQL, which has its own tools for that.
    ///
    /// # Errors
    /// As [`check_schema`](Self::check_schema).
    pub async fn check_pages(&self) -> Result<Option<Checked>> {
        match &self.0.database {
            Database::Postgres(_) => Ok(None),
            Database::Sqlite(sqlite) => sqlite.check_pages().await.map(Some),
        }
    }

    /// Computes the words of each article again and compares them with those in the database. On SQLite this reads one
    /// snapshot of the whole database.
    ///
    /// # Errors
    /// As [`check_schema`](Self::check_schema).
    pub async fn check_words(&self) -> Result<WordsCheck> {
        match &self.0.database {
            Database::Postgres(_) => self.check_words_of_postgres().await,
            Database::Sqlite(sqlite) => sqlite.check_words().await,
        }
    }
}
