//! Whether a database is what it should be: what the migrations have made, and what is derived from the articles.
//!
//! Everything here reads only, while servers go on.

mod feed;
mod slugs;
mod words;

pub use self::words::WordsCheck;
use super::{Database, Store};
use crate::error::Result;

/// What one part of a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was looked at, such as `feed`.
    pub part: &'static str,
    /// What is there, in a few words.
    pub summary: String,
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be, and what to do about it.
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

/// A line for each finding, or one that says that there is none.
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
    /// Whether tables, columns, indexes, constraints and triggers are those that the migrations make. What else there
    /// is does not matter.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn check_schema(&self) -> Result<Checked> {
        match &self.0.database {
            Database::Postgres(_) => self.check_schema_of_postgres().await,
            Database::Sqlite(sqlite) => sqlite.check_schema().await,
        }
    }

    /// Whether the pages of an SQLite database are in order; `None` on PostgreSQL, which has programs for that.
    ///
    /// # Errors
    /// As [`check_schema`](Self::check_schema).
    pub async fn check_pages(&self) -> Result<Option<Checked>> {
        match &self.0.database {
            Database::Postgres(_) => Ok(None),
            Database::Sqlite(sqlite) => sqlite.check_pages().await.map(Some),
        }
    }

    /// Makes the words of each article again and compares them with those that the database has. On SQLite it reads one
    /// state of the whole database.
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
