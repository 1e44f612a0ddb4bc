//! The part of an article's text that fits a search best.

use search_words::Highlight;

use super::filter::Filter;
use super::search::{Phrase, Search};
use super::words::{analyzer, searched};

/// How many characters an excerpt may have at most: those that a caller asks for.
pub const LENGTHS: std::ops::RangeInclusive<i32> = 50..=1_000;

/// How many characters of a search, and words of it, are looked for in a text.
const MOST_CHARS: usize = 4_000;
const MOST_WORDS: usize = 100;

/// What is looked for: words and phrases of which each is marked wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Highlights(Vec<Vec<Highlight>>);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    pub text: String,
    /// Where the words of the search stand, in characters of the excerpt: in order, none overlapping another.
    pub matches: Vec<std::ops::Range<usize>>,
}

impl Highlights {
    /// Those of a search in the web-search form, as far as it is not longer than any that a person types.
    pub fn of(search: &str) -> Self {
        let end = search.char_indices().nth(MOST_CHARS);
        let search = end.map_or(search, |(end, _)| &search[..end]);
        let Some(Filter::Search(search)) = Search::parse(search) else {
            return Self::default();
        };
        let search = search.without_repetitions().first_words(MOST_WORDS);
        let phrases = search.alternatives.iter().flat_map(|it| &it.with);
        let highlights = phrases.map(|Phrase(words)| words.iter().map(Highlight::from).collect());
        Self(highlights.collect())
    }
}

impl Excerpt {
    /// The part of a text that has the most different words and phrases, or its beginning where it has none.
    pub fn of(text: &str, highlights: &Highlights, length: usize) -> Self {
        let excerpt = analyzer().excerpt(searched(text), &highlights.0, length);
        Self {
            text: excerpt.text.to_owned(),
            matches: excerpt.matches,
        }
    }
}
