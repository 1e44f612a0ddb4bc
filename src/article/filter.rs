//! Which articles, and in which order: plain values that know no database.

use super::ArticleId;
use super::search::Search;
use crate::clock::Timestamp;

/// A condition on articles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All must hold; none is true.
    And(Vec<Filter>),
    /// One must hold; none is false.
    Or(Vec<Filter>),
    Not(Box<Filter>),
    /// The id is one of these.
    Id(Vec<ArticleId>),
    Text(TextColumn, TextTest),
    Instant(InstantColumn, Comparison, Timestamp),
    Search(Search),
}

impl Filter {
    /// Every article.
    pub const ALL: Self = Self::And(Vec::new());
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextColumn {
    Title,
    Slug,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstantColumn {
    CreatedAt,
    UpdatedAt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a text must be. Only [`Affix`] ignores case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TextTest {
    Equal(String),
    NotEqual(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Affix(Affix),
}

/// A part that a text must have, compared in Unicode's full lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Affix {
    pub place: Place,
    /// In lower case.
    pub part: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Anywhere,
    Start,
    End,
}

impl Affix {
    pub fn new(place: Place, part: &str) -> Self {
        Self {
            place,
            part: part.to_lowercase(),
        }
    }
}

/// The orders of a list. Ties are broken by id, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArticleOrder {
    CreatedAtAsc,
    CreatedAtDesc,
    UpdatedAtAsc,
    UpdatedAtDesc,
    TitleAsc,
    TitleDesc,
    SlugAsc,
    SlugDesc,
    /// Best match first, ties by id; only with a search.
    Relevance,
}
