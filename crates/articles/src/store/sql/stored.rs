//! The row of an article. Other programs may have written it, so invalid values are read as well as possible, and
//! logged once.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use diesel::Queryable;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Integer, Text};
use diesel::sqlite::Sqlite;

use crate::article::{Article, ArticleId, StoredKeys};
use crate::clock::Timestamp;
use crate::store::statements;

/// A row of articles.
#[derive(Queryable)]
pub(in crate::store) struct Row {
    pub(in crate::store) id: ArticleId,
    pub(in crate::store) title: StoredText,
    pub(in crate::store) slug: StoredText,
    pub(in crate::store) text: StoredText,
    pub(in crate::store) created_at: Timestamp,
    pub(in crate::store) updated_at: Timestamp,
    pub(in crate::store) version: StoredVersion,
}

/// A text. Bytes that are not UTF-8 become replacement characters.
#[derive(Debug, FromSqlRow)]
pub(in crate::store) struct StoredText {
    pub(in crate::store) shown: String,
    /// The original bytes, where they differ.
    bytes: Option<Box<[u8]>>,
}

/// A version, which may be any number.
#[derive(Debug, Clone, Copy, FromSqlRow)]
pub(in crate::store) struct StoredVersion(i64);

impl From<Row> for Article {
    fn from(row: Row) -> Self {
        let invalid = InvalidColumns {
            title: row.title.is_odd(),
            slug: row.slug.is_odd(),
            text: row.text.bytes.is_some(),
            created_at: !row.created_at.is_within_bounds(),
            updated_at: !row.updated_at.is_within_bounds(),
            version: i64::from(row.version.shown()) != row.version.0,
        };
        statements::rows(1);
        if invalid != InvalidColumns::default() {
            log_once(row.id, invalid);
        }
        let stored_keys = (row.title.bytes.is_some() || row.slug.bytes.is_some()).then(|| {
            Box::new(StoredKeys {
                title: row.title.as_stored().into(),
                slug: row.slug.as_stored().into(),
            })
        });
        Self {
            id: row.id,
            title: row.title.shown,
            slug: row.slug.shown,
            text: row.text.shown,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version.shown(),
            stored_keys,
        }
    }
}

impl StoredText {
    fn as_stored(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(self.shown.as_bytes())
    }

    /// Whether an article cannot have this value. Called for short texts only.
    fn is_odd(&self) -> bool {
        self.bytes.is_some() || self.shown.as_bytes().contains(&0)
    }
}

impl StoredVersion {
    /// The nearest valid version.
    pub(in crate::store) fn shown(self) -> i32 {
        i32::try_from(self.0.clamp(1, i32::MAX.into())).unwrap_or(i32::MAX)
    }
}

impl FromSql<Text, Pg> for StoredText {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let shown = <String as FromSql<Text, Pg>>::from_sql(value)?;
        Ok(Self { shown, bytes: None })
    }
}

impl FromSql<Text, Sqlite> for StoredText {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        // Reading a blob returns the bytes; reading a text requires UTF-8.
        Ok(match String::from_utf8(value.read_blob().to_vec()) {
            Ok(shown) => Self { shown, bytes: None },
            Err(error) => Self {
                shown: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                bytes: Some(error.into_bytes().into()),
            },
        })
    }
}

impl FromSql<Integer, Pg> for StoredVersion {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let version = <i32 as FromSql<Integer, Pg>>::from_sql(value)?;
        Ok(Self(version.into()))
    }
}

impl FromSql<Integer, Sqlite> for StoredVersion {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(value.read_long()))
    }
}

/// The columns with values that an article cannot have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "one for each column")]
struct InvalidColumns {
    title: bool,
    slug: bool,
    text: bool,
    created_at: bool,
    updated_at: bool,
    version: bool,
}

/// The maximum number of articles that the log names.
const MAX_LOGGED: usize = 100;

/// Logs what another program stored, each value only once.
#[cold]
fn log_once(id: ArticleId, invalid: InvalidColumns) {
    static LOGGED: LazyLock<Mutex<HashSet<(ArticleId, InvalidColumns)>>> =
        LazyLock::new(Mutex::default);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() > MAX_LOGGED || !logged.insert((id, invalid)) {
        return;
    }
    if logged.len() > MAX_LOGGED {
        tracing::warn!("more articles than these have invalid values");
        return;
    }
    let columns = [
        (invalid.title, "title"),
        (invalid.slug, "slug"),
        (invalid.text, "text"),
        (invalid.created_at, "created_at"),
        (invalid.updated_at, "updated_at"),
        (invalid.version, "version"),
    ];
    let names: Vec<&str> = columns
        .into_iter()
        .filter_map(|(invalid, name)| invalid.then_some(name))
        .collect();
    tracing::warn!(
        article.id = %id,
        columns = names.join(", "),
        "another program stored an article with invalid values; they are shown as well as possible"
    );
}
