//! An article and the rules for its values. Independent of databases and GraphQL.

pub mod change;
mod cursor_text;
pub mod excerpt;
pub mod filter;
pub mod page;
pub mod search;
pub mod slug;
pub mod words;

use std::fmt;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::Violation;

pub use filter::{ArticleOrder, Filter};
pub use slug::Slug;

/// The maximum number of Unicode scalar values in a title and in a slug, as PostgreSQL's `varchar(n)` counts them.
pub const MAX_CHARS: usize = 65;

/// An article's id: a UUID, of version 7 where this server made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArticleId(pub Uuid);

impl ArticleId {
    /// Parses any form of a UUID. A text that is not a UUID matches no article, which is not an error.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for ArticleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The highest version that an article can have. The databases reject higher ones: incrementing them could overflow 32
/// bits.
pub const MAX_VERSION: i32 = i32::MAX - 1;

/// An article as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    pub id: ArticleId,
    pub title: String,
    pub slug: String,
    pub text: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Starts at 1 and is incremented by each update.
    pub version: i32,
    /// Set only where another program stored a title or a slug that is not UTF-8.
    pub stored_keys: Option<Box<StoredKeys>>,
}

/// The original bytes of a title and a slug, which determine the article's position in a list. The texts that clients
/// get contain replacement characters instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKeys {
    pub title: Box<[u8]>,
    pub slug: Box<[u8]>,
}

/// An article that is to be created. `None` values are generated at the time of the call.
#[derive(Debug, Clone)]
pub struct NewArticle {
    pub title: Title,
    pub slug: Option<Slug>,
    pub text: Text,
    pub created_at: Option<Timestamp>,
}

/// The selected columns of an article. `text` may be large, so it is read only if it is selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "one for each column")]
pub struct Columns {
    pub title: bool,
    pub slug: bool,
    pub text: bool,
    pub created_at: bool,
    pub updated_at: bool,
    pub version: bool,
}

impl Columns {
    pub const ALL: Self = Self {
        title: true,
        slug: true,
        text: true,
        created_at: true,
        updated_at: true,
        version: true,
    };
    /// The id, which is always read.
    pub const ID: Self = Self {
        title: false,
        slug: false,
        text: false,
        created_at: false,
        updated_at: false,
        version: false,
    };

    /// The same and the column that the cursors of an order need.
    #[must_use]
    pub fn with_key(mut self, order: ArticleOrder) -> Self {
        use ArticleOrder as Order;
        match order {
            Order::CreatedAtAsc | Order::CreatedAtDesc => self.created_at = true,
            Order::UpdatedAtAsc | Order::UpdatedAtDesc => self.updated_at = true,
            Order::TitleAsc | Order::TitleDesc => self.title = true,
            Order::SlugAsc | Order::SlugDesc => self.slug = true,
            Order::Relevance => {}
        }
        self
    }

    /// The columns that are in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            title: self.title | other.title,
            slug: self.slug | other.slug,
            text: self.text | other.text,
            created_at: self.created_at | other.created_at,
            updated_at: self.updated_at | other.updated_at,
            version: self.version | other.version,
        }
    }
}

/// The changed values of an article; `None` leaves a value unchanged.
#[derive(Debug, Clone, Default)]
pub struct ArticleEdit {
    pub title: Option<Title>,
    pub slug: Option<Slug>,
    pub text: Option<Text>,
}

/// The key by which an article is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArticleKey {
    Id(ArticleId),
    Slug(String),
}

/// 1 to 65 characters without NUL, stored unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// Does not trim the title.
    pub fn new(title: String) -> Result<Self, Violation> {
        check_short("title", &title)?;
        Ok(Self(title))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// Any text without NUL, including the empty one. Only the limit on request bodies limits its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub fn new(text: String) -> Result<Self, Violation> {
        check_no_nul("text", &text)?;
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

fn check_short(name: &str, value: &str) -> Result<(), Violation> {
    check_no_nul(name, value)?;
    match value.chars().count() {
        0 => Err(Violation(format!(
            "{name} must have 1 to {MAX_CHARS} characters, but it is empty"
        ))),
        1..=MAX_CHARS => Ok(()),
        count => Err(Violation(format!(
            "{name} must have 1 to {MAX_CHARS} characters, but it has {count}"
        ))),
    }
}

/// PostgreSQL cannot store NUL in a text, and both databases accept the same values.
pub fn check_no_nul(name: &str, value: &str) -> Result<(), Violation> {
    if value.contains('\0') {
        return Err(Violation(format!(
            "{name} must not contain a NUL character (U+0000)"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_is_counted_in_characters_not_in_bytes() {
        assert!(Title::new("😀".repeat(65)).is_ok());
        assert_eq!(
            Title::new("😀".repeat(66)),
            Err(Violation(
                "title must have 1 to 65 characters, but it has 66".to_owned()
            ))
        );
    }

    proptest! {
        #[test]
        fn a_valid_title_is_unchanged_and_others_are_rejected(title in "\\PC{0,70}|[\\x00 a]{0,3}") {
            let allowed = (1..=65).contains(&title.chars().count()) && !title.contains('\0');
            let kept = Title::new(title.clone()).map(Title::into_string);
            prop_assert_eq!(kept.ok(), allowed.then_some(title));
        }
    }
}
