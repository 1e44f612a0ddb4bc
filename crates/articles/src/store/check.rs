//! Whether what a database derives from its articles is in step with them: the words that they are found by.

use super::{Database, Store};
use crate::article::ArticleId;
use crate::error::Result;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WordsCheck {
    pub articles: u64,
    /// Those whose words are not those of their title and text by the present rules.
    pub stale: u64,
    /// Some of them.
    pub examples: Vec<ArticleId>,
    /// Words in the index that belong to no article.
    pub orphans: u64,
}

/// The most articles that are named.
const MOST_NAMED: usize = 20;

impl WordsCheck {
    pub fn is_in_step(&self) -> bool {
        self.stale == 0 && self.orphans == 0
    }

    pub(super) fn add(&mut self, id: ArticleId, is_current: bool) {
        self.articles += 1;
        if !is_current {
            self.stale += 1;
            if self.examples.len() < MOST_NAMED {
                self.examples.push(id);
            }
        }
    }
}

impl std::fmt::Display for WordsCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            articles,
            stale,
            examples,
            orphans,
        } = self;
        writeln!(f, "articles: {articles}")?;
        writeln!(f, "whose words for the search are not current: {stale}")?;
        for id in examples {
            writeln!(f, "  {id}")?;
        }
        if *stale > examples.len() as u64 {
            writeln!(f, "  and others")?;
        }
        writeln!(f, "words of articles that are not there: {orphans}")
    }
}

impl Store {
    /// Makes the words of each article anew and compares them with those that the database has. Reads only; on SQLite it
    /// reads one state of the whole database.
    ///
    /// # Errors
    /// The database does not answer, or lacks the migration.
    pub async fn check_words(&self) -> Result<WordsCheck> {
        match &self.0.database {
            Database::Postgres(_) => self.check_words_of_postgres().await,
            Database::Sqlite(sqlite) => sqlite.check_words().await,
        }
    }
}
