//! The part of an article's text that matches a search best.

use search_words::{Highlight, Phrases};

use super::filter::Filter;
use super::search::{Phrase, Search};
use super::words::{analyzer, searched};

/// The allowed values for the maximum number of characters in an excerpt.
pub const LENGTHS: std::ops::RangeInclusive<i32> = 50..=1_000;

/// The maximum number of characters of a search, and of its words, that are searched for in a text.
const MAX_CHARS: usize = 4_000;
const MAX_WORDS: usize = 100;

/// The words and phrases that are marked wherever they occur.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Highlights(Phrases);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    pub text: String,
    /// The matches of the search, as ranges of characters in the excerpt: sorted, and without overlaps.
    pub matches: Vec<std::ops::Range<usize>>,
}

impl Highlights {
    /// The words and phrases of a search in the web-search syntax, up to a length that no person types.
    pub fn of(search: &str) -> Self {
        let end = search.char_indices().nth(MAX_CHARS);
        let search = end.map_or(search, |(end, _)| &search[..end]);
        let Some(Filter::Search(search)) = Search::parse(search) else {
            return Self::default();
        };
        let search = search.without_repetitions().first_words(MAX_WORDS);
        let phrases = search.alternatives.iter().flat_map(|it| &it.with);
        let highlights: Vec<Vec<_>> = phrases
            .map(|Phrase(words)| words.iter().map(Highlight::from).collect())
            .collect();
        Self(Phrases::new(highlights))
    }
}

impl Excerpt {
    /// The part of a text with the most different words and phrases, or its beginning where it contains none.
    pub fn of(text: &str, highlights: &Highlights, length: usize) -> Self {
        let excerpt = analyzer().excerpt(searched(text), &highlights.0, length);
        Self {
            text: excerpt.text.to_owned(),
            matches: excerpt.matches,
        }
    }
}
