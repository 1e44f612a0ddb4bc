//! Splits a text into words.

use std::ops::Range;

use crate::fold::Folding;
use crate::segment::{Class, Segmenter};
use crate::stems::Stems;

/// The maximum number of characters in a term; longer words are distinguished by their beginnings only.
const MAX_TERM_CHARS: usize = 200;

/// Splits texts into words. Cheap to create and to share: its tables are compiled in.
pub struct Analyzer {
    segmenter: Segmenter,
    folding: Folding,
    stems: Stems,
}

/// A word of a text. Its position is its number in the sequence of [`Analyzer::words`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its position in the text, in bytes.
    pub range: Range<usize>,
    /// The term that it is found by: folded, without accents, stemmed. At most 200 characters, none of them white
    /// space.
    pub term: String,
    /// The same with its accents, where it has any.
    pub accented: Option<String>,
}

impl Default for Analyzer {
    fn default() -> Self {
        Self::new()
    }
}

impl Analyzer {
    /// An analyzer with the tables that are compiled in.
    pub fn new() -> Self {
        Self {
            segmenter: Segmenter::new(),
            folding: Folding::new(),
            stems: Stems::new(),
        }
    }

    /// The words of a text, in order.
    pub fn words<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Word> + use<'a> {
        self.runs(text)
            .flat_map(move |run| self.words_of_run(text, run))
    }

    /// Calls `take` with the terms of each word of a text, in order, as [`Word`] has them, until it returns false. Returns
    /// whether the end was reached.
    ///
    /// It creates no [`Word`]s, which is three times as fast.
    pub fn each_term(&self, text: &str, mut take: impl FnMut(&str, Option<&str>) -> bool) -> bool {
        let mut stems = self.stems.cached();
        let (mut lower, mut stem) = (String::new(), String::new());
        for run in self.runs(text) {
            let original = &text[run.clone()];
            if original.is_ascii() && original.len() <= MAX_TERM_CHARS {
                lower.clear();
                lower.push_str(original);
                lower.make_ascii_lowercase();
                let term = match may_be_english(&lower) {
                    true => {
                        stem.clear();
                        stems.push_stem(&lower, &mut stem);
                        &stem
                    }
                    false => &lower,
                };
                if !take(term, None) {
                    return false;
                }
                continue;
            }
            for word in self.words_of_run(text, run) {
                if !take(&word.term, word.accented.as_deref()) {
                    return false;
                }
            }
        }
        true
    }

    /// The runs of word characters, which are words where their script has spaces.
    pub(crate) fn runs<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let run = self.segmenter.next_run(text, at)?;
            at = run.end;
            Some(run)
        })
    }

    /// The first of the runs at or after the byte `from`, which does not stand within one.
    pub(crate) fn run_from(&self, text: &str, from: usize) -> Option<Range<usize>> {
        self.segmenter.next_run(text, from)
    }

    pub(crate) fn is_separator(&self, c: char) -> bool {
        self.segmenter.class(c) == Class::Separator
    }

    /// The run around `offset`, with a character on each side of it; only the part that is near.
    pub(crate) fn run_around(&self, text: &str, offset: usize) -> Option<Range<usize>> {
        const NEAR: usize = 200;
        let is_within = |c: &char| self.segmenter.class(*c) != Class::Separator;
        let bytes = |length, c: char| length + c.len_utf8();
        let before = text[..offset]
            .chars()
            .rev()
            .take(NEAR)
            .take_while(is_within);
        let behind = text[offset..].chars().take(NEAR).take_while(is_within);
        let (before, behind) = (before.fold(0, bytes), behind.fold(0, bytes));
        (before > 0 && behind > 0).then(|| offset - before..offset + behind)
    }

    pub(crate) fn words_of_run<'a>(
        &'a self,
        text: &'a str,
        run: Range<usize>,
    ) -> impl Iterator<Item = Word> + use<'a> {
        let original = &text[run.clone()];
        let ascii = original
            .is_ascii()
            .then(|| self.word(original.to_ascii_lowercase(), run.clone()));
        let others = match ascii {
            Some(_) => Vec::new(),
            None => self.words_beyond_ascii(original, run.start),
        };
        ascii.into_iter().chain(others)
    }

    fn words_beyond_ascii(&self, original: &str, start: usize) -> Vec<Word> {
        let composed = self.folding.composed(original);
        let is_composed = matches!(composed, std::borrow::Cow::Borrowed(_));
        let place = |offset| match is_composed {
            true => start + offset,
            false => start + self.segmenter.original_offset(original, &composed, offset),
        };
        let mut words = Vec::new();
        for range in self.segmenter.words(&composed) {
            let folded = self.folding.folded(&composed[range.clone()]);
            let written = place(range.start)..place(range.end);
            // Compatibility characters may expand to several words, or to characters that separate words: ﷺ, ½.
            let mut part = String::new();
            let parts = words.len();
            for c in folded.chars() {
                match self.segmenter.class(c) {
                    Class::Word => part.push(c),
                    Class::Ignored => {}
                    Class::Separator if part.is_empty() => {}
                    Class::Separator => {
                        words.push(self.word(std::mem::take(&mut part), written.clone()));
                    }
                }
            }
            if !part.is_empty() {
                words.push(self.word(part, written));
            } else if words.len() == parts {
                // Folding leaves nothing visible of the word, so it is found by itself.
                words.push(self.word(folded.replace(char::is_whitespace, ""), written));
            }
        }
        words.retain(|word| !word.term.is_empty());
        words
    }

    /// `folded` is in lower case, in NFKC where it is not ASCII.
    fn word(&self, mut folded: String, range: Range<usize>) -> Word {
        cut(&mut folded);
        let bare = match folded.is_ascii() {
            true => None,
            false => self.folding.without_accents(&folded),
        };
        let (mut term, accented) = match bare {
            Some(bare) => (self.stemmed(bare), Some(self.stemmed(folded))),
            None => (self.stemmed(folded), None),
        };
        cut(&mut term);
        Word {
            range,
            term,
            accented,
        }
    }

    fn stemmed(&self, word: String) -> String {
        match may_be_english(&word) {
            true => self.stems.stem(word),
            false => word,
        }
    }
}

/// Only words in basic Latin letters, with accents or without, may be English.
fn may_be_english(word: &str) -> bool {
    // The shortest word that the stemmer changes has three letters.
    word.len() > 2
        && (word.bytes().all(|byte| byte.is_ascii_lowercase())
            || word
                .chars()
                .all(|c| c.is_ascii_lowercase() || matches!(c, '\u{df}'..='\u{24f}')))
}

fn cut(term: &mut String) {
    // The first condition is cheap, and true for nearly every word.
    if term.len() > MAX_TERM_CHARS
        && let Some((end, _)) = term.char_indices().nth(MAX_TERM_CHARS)
    {
        term.truncate(end);
    }
}

impl std::fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analyzer")
    }
}
