//! The words by which the search of both databases finds an article.
//!
//! Decision: `docs/decisions/0013-search-words.md`.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use search_words::Analyzer;

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
    pub title: Terms,
    /// The terms of the first [`MAX_TEXT_CHARS`] characters.
    pub text: Terms,
    /// The terms with accents that occur in the title or the text.
    pub accented: BTreeSet<String>,
}

/// Terms in their order. None is empty, or has a space.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    between_spaces: String,
    count: usize,
}

impl ArticleWords {
    pub fn of(title: &str, text: &str) -> Self {
        let text = searched(text);
        let mut words = Self::default();
        let mut budget = TermBudget::new(title.len() + text.len());
        let Self {
            title: title_terms,
            text: text_terms,
            accented,
        } = &mut words;
        for (part, terms) in [(title, title_terms), (text, text_terms)] {
            terms.between_spaces.reserve(part.len());
            let has_room = analyzer().each_term(part, |term, with_accents| {
                let has_room = budget.take(term, with_accents);
                if has_room {
                    terms.push(term);
                    accented.extend(with_accents.map(str::to_owned));
                }
                has_room
            });
            if !has_room {
                break;
            }
        }
        words
    }
}

impl Terms {
    fn push(&mut self, term: &str) {
        if self.count > 0 {
            self.between_spaces.push(' ');
        }
        self.between_spaces.push_str(term);
        self.count += 1;
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.between_spaces.split_terminator(' ')
    }

    pub fn into_between_spaces(self) -> String {
        self.between_spaces
    }
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
struct TermBudget {
    left: usize,
    /// `None` where a text is so short that its terms fit in any case.
    seen: Option<HashSet<String>>,
}

impl TermBudget {
    /// The maximum bytes of terms per byte of text, including terms with accents.
    const MAX_PER_BYTE: usize = 24;

    fn new(bytes: usize) -> Self {
        let may_go_over = bytes.saturating_mul(Self::MAX_PER_BYTE) > MAX_TERM_BYTES;
        Self {
            left: MAX_TERM_BYTES,
            seen: may_go_over.then(HashSet::new),
        }
    }

    /// Whether a word fits.
    fn take(&mut self, term: &str, with_accents: Option<&str>) -> bool {
        let Some(seen) = &mut self.seen else {
            return true;
        };
        for term in [Some(term), with_accents].into_iter().flatten() {
            if !seen.contains(term) {
                let Some(left) = self.left.checked_sub(term.len() + 1) else {
                    return false;
                };
                self.left = left;
                seen.insert(term.to_owned());
            }
        }
        true
    }
}
