//! Checks that the search index matches the articles on SQLite.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use diesel::connection::{DefaultLoadingMode, SimpleConnection as _};
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection};

use super::super::{Connections, Sqlite};
use crate::article::ArticleId;
use crate::article::words::ArticleWords;
use crate::error::{Error, Result};
use crate::store::check::WordsCheck;
use crate::store::sql::stored::StoredText;
use crate::store::sql::types::Id;

/// A position in the index.
#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = BigInt)]
    doc: i64,
    #[diesel(sql_type = Text)]
    term: String,
    #[diesel(sql_type = Text)]
    col: String,
    #[diesel(sql_type = BigInt)]
    offset: i64,
}

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Id)]
    id: ArticleId,
    #[diesel(sql_type = Text)]
    title: StoredText,
    #[diesel(sql_type = Text)]
    text: StoredText,
}

impl Sqlite {
    pub(in crate::store) async fn check_words(&self) -> Result<WordsCheck> {
        if matches!(self.connections, Connections::Sandbox(_)) {
            return Err(Error::internal("a sandbox has nothing to check"));
        }
        // A separate connection, because those that read may not create a table, not even a temporary one.
        let mut connection = self
            .target
            .connect(false)
            .await
            .map_err(Error::unavailable)?;
        connection
            .spawn_blocking(|connection| Ok(connection.transaction(check)))
            .await?
    }
}

/// FTS5 stores positions by word, so the positions of each article are summed up and compared with the expected sum.
fn check(connection: &mut SqliteConnection) -> Result<WordsCheck> {
    connection.batch_execute(
        "CREATE VIRTUAL TABLE temp.search_place USING fts5vocab('main', 'article_search', 'instance')",
    )?;
    let mut sums: HashMap<i64, u64> = HashMap::new();
    let places = rows::<Place>(
        connection,
        "SELECT doc, term, col, \"offset\" FROM temp.search_place",
    );
    for place in places? {
        let Place {
            doc,
            term,
            col,
            offset,
        } = place?;
        let sum = sums.entry(doc).or_default();
        *sum = sum.wrapping_add(hash(&term, &col, offset));
    }
    let mut check = WordsCheck::default();
    let articles = rows::<Stored>(
        connection,
        "SELECT number, id, CAST(title AS BLOB) AS title, CAST(text AS BLOB) AS text FROM article",
    );
    for stored in articles? {
        let stored = stored?;
        let words = ArticleWords::of(&stored.title.shown, &stored.text.shown);
        let expected = sum(words.title.iter(), "title")
            .wrapping_add(sum(words.text.iter(), "text"))
            .wrapping_add(sum(words.accented.iter().map(String::as_str), "accents"));
        let found = sums.remove(&stored.number).unwrap_or_default();
        check.add(stored.id, found == expected);
    }
    check.orphans = sums.len() as u64;
    connection.batch_execute("DROP TABLE temp.search_place")?;
    Ok(check)
}

fn rows<'c, R: QueryableByName<diesel::sqlite::Sqlite> + 'static>(
    connection: &'c mut SqliteConnection,
    query: &'static str,
) -> diesel::QueryResult<impl Iterator<Item = diesel::QueryResult<R>> + 'c> {
    diesel::sql_query(query).load_iter::<R, DefaultLoadingMode>(connection)
}

fn sum<'w>(words: impl Iterator<Item = &'w str>, column: &str) -> u64 {
    (0..).zip(words).fold(0, |sum: u64, (offset, word)| {
        sum.wrapping_add(hash(word, column, offset))
    })
}

fn hash(term: &str, column: &str, offset: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (term, column, offset).hash(&mut hasher);
    hasher.finish()
}
