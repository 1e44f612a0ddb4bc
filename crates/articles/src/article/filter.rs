//! Filters and orders of articles: plain values, independent of the databases.

use super::ArticleId;
use super::search::Search;
use crate::clock::Timestamp;

/// A condition on articles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All must hold; an empty list is true.
    And(Vec<Filter>),
    /// One must hold; an empty list is false.
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

/// A condition on a text. Only [`Affix`] ignores case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TextTest {
    Equal(String),
    NotEqual(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Affix(Affix),
}

/// A part that a text must contain, ignoring case: both are folded by [`fold_case`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Affix {
    pub place: Place,
    pub part: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Anywhere,
    Start,
    End,
}

/// Unicode's full lower case, with σ for ς: the result for each character does not depend on its neighbours, so that a
/// text always starts and ends with its own parts.
pub fn fold_case(text: &str) -> String {
    let lower = text.to_lowercase();
    match lower.contains('ς') {
        true => lower.replace('ς', "σ"),
        false => lower,
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
