//! The words by which the search of both databases finds an article.
//!
//! Decision: `docs/decisions/0013-search-words.md`.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use search_words::{Analyzer, Word};

/// The maximum number of characters of a text that are searched.
pub const MAX_TEXT_CHARS: usize = 100_000;

/// The maximum bytes of an article's distinct terms, close to the maximum of a PostgreSQL `tsvector`. Only a text of
/// ligatures that stand for whole words has more; the rest of it is not found.
const MAX_TERM_BYTES: usize = 900_000;

static ANALYZER: LazyLock<Analyzer> = LazyLock::new(Analyzer::new);

/// Splits texts and searches into words.
pub fn analyzer() -> &'static Analyzer {
    &ANALYZER
}

/// The terms of an article, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArticleWords {
    pub title: Vec<String>,
    /// The terms of the first [`MAX_TEXT_CHARS`] characters.
    pub text: Vec<String>,
    /// The terms with accents that occur in the title or the text.
    pub accented: BTreeSet<String>,
}

impl ArticleWords {
    pub fn of(title: &str, text: &str) -> Self {
        let text = searched(text);
        let mut words = Self {
            title: Vec::new(),
            text: Vec::with_capacity(text.len() / 6),
            accented: BTreeSet::new(),
        };
        let mut room = Room::new(title.len() + text.len());
        for word in analyzer().words(title) {
            match room.take(&word) {
                true => words.title.push(words_term(word, &mut words.accented)),
                false => return words,
            }
        }
        for word in analyzer().words(text) {
            match room.take(&word) {
                true => words.text.push(words_term(word, &mut words.accented)),
                false => return words,
            }
        }
        words
    }
}

fn words_term(word: Word, accented: &mut BTreeSet<String>) -> String {
    accented.extend(word.accented);
    word.term
}

/// The part of a text that is searched.
pub(super) fn searched(text: &str) -> &str {
    if text.len() <= MAX_TEXT_CHARS {
        return text;
    }
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Counts the bytes of distinct terms.
struct Room {
    left: usize,
    /// `None` where a text is so short that its terms fit in any case.
    seen: Option<HashSet<String>>,
}

impl Room {
    /// The maximum bytes of terms per byte of text, including terms with accents.
    const MOST_OF_A_BYTE: usize = 24;

    fn new(bytes: usize) -> Self {
        let may_go_over = bytes.saturating_mul(Self::MOST_OF_A_BYTE) > MAX_TERM_BYTES;
        Self {
            left: MAX_TERM_BYTES,
            seen: may_go_over.then(HashSet::new),
        }
    }

    /// Whether a word fits.
    fn take(&mut self, word: &Word) -> bool {
        let Some(seen) = &mut self.seen else {
            return true;
        };
        for term in [Some(&word.term), word.accented.as_ref()]
            .into_iter()
            .flatten()
        {
            if !seen.contains(term) {
                let Some(left) = self.left.checked_sub(term.len() + 1) else {
                    return false;
                };
                self.left = left;
                seen.insert(term.clone());
            }
        }
        true
    }
}
