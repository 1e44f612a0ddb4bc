//! The words and phrases of a search, and how they are found in texts for excerpts.

use std::collections::HashMap;
use std::ops::Range;

use crate::analyzer::{Analyzer, Word};

/// A word to highlight, by its terms as [`Word`] has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Highlight {
    /// Without accents.
    pub term: String,
    /// With accents, if only words with the same accents match.
    pub accented: Option<String>,
}

/// The words and phrases of a search, prepared once for any number of texts.
///
/// A phrase is a list of adjacent words; most have one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phrases {
    /// The words of each phrase.
    words: Vec<Vec<Highlight>>,
    /// The occurrences of each term: the phrase, and the offset in it.
    by_term: HashMap<String, Vec<(usize, usize)>>,
    prefixes: Prefixes,
}

/// A word of a text that is a word of a phrase.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The phrases that contain it, and the offsets in them.
    pub(crate) places: Vec<(usize, usize)>,
    /// Whether it follows the previous found word immediately.
    pub(crate) is_next: bool,
    pub(crate) bytes: Range<usize>,
    /// In characters of the text.
    pub(crate) chars: Range<usize>,
}

impl From<Word> for Highlight {
    fn from(word: Word) -> Self {
        Self {
            term: word.term,
            accented: word.accented,
        }
    }
}

impl Highlight {
    fn is(&self, word: &Word) -> bool {
        match &self.accented {
            Some(accented) => word.accented.as_ref() == Some(accented),
            None => word.term == self.term,
        }
    }
}

impl Phrases {
    /// Phrases by their words. Each has at least one.
    pub fn new(phrases: Vec<Vec<Highlight>>) -> Self {
        let mut by_term: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        let mut prefixes = Prefixes::default();
        for (phrase, words) in phrases.iter().enumerate() {
            for (offset, word) in words.iter().enumerate() {
                let places = by_term.entry(word.term.clone()).or_default();
                places.push((phrase, offset));
                prefixes.add(&word.term);
            }
        }
        Self {
            words: phrases,
            by_term,
            prefixes,
        }
    }

    /// How many words a phrase has.
    pub(crate) fn length(&self, phrase: usize) -> usize {
        self.words[phrase].len()
    }

    /// The words of a text that are words of the phrases, in order.
    pub(crate) fn find(&self, analyzer: &Analyzer, text: &str) -> Vec<Found> {
        let mut found = Vec::new();
        if self.words.is_empty() {
            return found;
        }
        let (mut at, mut counted, mut chars) = (0, 0, 0);
        // Where a word has to begin to follow the last found word immediately.
        let mut next: Option<usize> = None;
        while let Some(run) = self.next_run(analyzer, text, at) {
            at = run.end;
            if next.is_some_and(|from| analyzer.run_from(text, from) != Some(run.clone())) {
                next = None;
            }
            let mut is_next = next.is_some();
            for word in analyzer.words_of_run(text, run.clone()) {
                let places = self.places(&word);
                if places.is_empty() {
                    is_next = false;
                    continue;
                }
                chars += text[counted..word.range.start].chars().count();
                counted = word.range.start;
                let length = text[word.range.clone()].chars().count();
                found.push(Found {
                    places,
                    is_next,
                    bytes: word.range,
                    chars: chars..chars + length,
                });
                is_next = true;
            }
            next = is_next.then_some(run.end);
        }
        found
    }

    fn places(&self, word: &Word) -> Vec<(usize, usize)> {
        let places = self.by_term.get(&word.term).into_iter().flatten();
        places
            .copied()
            .filter(|&(phrase, offset)| self.words[phrase][offset].is(word))
            .collect()
    }

    /// The next run, at or after the byte `at`, that may contain one of the words. `at` is not within a run.
    fn next_run(&self, analyzer: &Analyzer, text: &str, mut at: usize) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let floor = at;
        loop {
            at += bytes[at..]
                .iter()
                .position(|&byte| self.prefixes.may_be_first(byte))?;
            if bytes[at].is_ascii() {
                let is_within = at > floor && bytes[at - 1].is_ascii_alphanumeric();
                if !is_within && self.prefixes.may_begin(&bytes[at..]) {
                    return analyzer.run_from(text, at);
                }
                at += 1;
                continue;
            }
            let c = text[at..].chars().next()?;
            if analyzer.is_separator(c) {
                at += c.len_utf8();
                continue;
            }
            // The letters of ASCII before it belong to its run.
            let before = bytes[floor..at].iter().rev();
            let letters = before.take_while(|byte| byte.is_ascii_alphanumeric());
            return analyzer.run_from(text, at - letters.count());
        }
    }
}

/// How words may begin that have one of some terms. Stemming keeps the first two letters, so that most words need not be
/// stemmed to see that they are others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prefixes {
    /// Whether a word may begin with a byte. One that is not ASCII may begin anything.
    first: [bool; 256],
    /// The letters that may be second after a first one, as bits.
    second: [u32; 128],
}

const ANY: u32 = u32::MAX;

impl Default for Prefixes {
    fn default() -> Self {
        let mut first = [false; 256];
        first[128..].fill(true);
        Self {
            first,
            second: [0; 128],
        }
    }
}

impl Prefixes {
    fn add(&mut self, term: &str) {
        let (&first, rest) = match term.as_bytes() {
            [first, rest @ ..] if first.is_ascii() => (first, rest),
            // Only words that are not ASCII have it.
            _ => return,
        };
        self.first[usize::from(first)] = true;
        self.first[usize::from(first.to_ascii_uppercase())] = true;
        self.second[usize::from(first)] |= match rest {
            // Of dying, lying, tying.
            [b'i', _, ..] => letter(b'i') | letter(b'y'),
            [second @ b'a'..=b'z', _, ..] => letter(*second),
            // It may be the stem of a word with other letters behind the first.
            _ => ANY,
        };
    }

    fn may_be_first(&self, byte: u8) -> bool {
        self.first[usize::from(byte)]
    }

    /// Whether a text that begins with a letter of ASCII may begin with one of the words.
    fn may_begin(&self, text: &[u8]) -> bool {
        let lower = |index: usize| text.get(index).map_or(b' ', u8::to_ascii_lowercase);
        let second = self.second[usize::from(lower(0))];
        second == ANY
            || match lower(1) {
                byte @ b'a'..=b'z' => second & letter(byte) != 0,
                // The word goes on with other letters than those of ASCII.
                byte => !byte.is_ascii(),
            }
    }
}

fn letter(byte: u8) -> u32 {
    1 << (byte - b'a')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As [`Phrases::find`], word by word.
    fn find_slowly(phrases: &Phrases, analyzer: &Analyzer, text: &str) -> Vec<Found> {
        let mut found = Vec::new();
        let mut is_next = false;
        for word in analyzer.words(text) {
            let places = phrases.places(&word);
            let is_found = !places.is_empty();
            let start = text[..word.range.start].chars().count();
            let end = text[..word.range.end].chars().count();
            found.extend(is_found.then_some(Found {
                places,
                is_next,
                bytes: word.range,
                chars: start..end,
            }));
            is_next = is_found;
        }
        found
    }

    fn all_are_found(search: &str, text: &str) {
        let analyzer = Analyzer::new();
        let words =
            |text: &str| -> Vec<Highlight> { analyzer.words(text).map(Highlight::from).collect() };
        let mut phrases: Vec<_> = words(search).into_iter().map(|word| vec![word]).collect();
        let all = words(search);
        if !all.is_empty() {
            phrases.push(all);
        }
        let phrases = Phrases::new(phrases);
        let found = phrases.find(&analyzer, text);
        assert_eq!(
            found,
            find_slowly(&phrases, &analyzer, text),
            "{search:?} in {text:?}"
        );
    }

    #[test]
    fn words_are_found_whose_stems_have_other_letters() {
        for (search, text) in [
            ("die lie tie", "dying lying tying vying dyes lyes"),
            ("dying", "to die, or dies"),
            ("sky ski", "skies skis sky"),
            ("use", "Using uses USED us"),
            ("a1 1a 12", "a1 1a 12 a12 A1"),
            (
                "cafe",
                "caf\u{e9} cafe\u{301} CAF\u{c9}s c\u{ad}afe ca\u{301}fe",
            ),
            (
                "soft",
                "\u{ad}soft so\u{ad}ft x\u{ad}soft \u{201c}soft\u{201d} \u{e9}soft",
            ),
            (
                "\u{6771}\u{4eac} a",
                "a\u{6771}\u{4eac}a \u{6771}\u{4eac}\u{306e} a",
            ),
        ] {
            all_are_found(search, text);
        }
    }

    proptest! {
        #[test]
        fn all_words_are_found_that_are_found_word_by_word(
            search in "([a-e]{1,4}(s|ing|ed|y|ies)?|é|東京|\u{ad}| ){1,6}",
            text in "([a-eA-E]{1,4}(s|ing|ed|y|ies|ational|ly)?|é|東京|の|\u{ad}|\u{301}|\u{2019}|1|[ .]){0,60}",
        ) {
            all_are_found(&search, &text);
        }

        #[test]
        fn stems_keep_the_first_two_letters(
            stem in "[a-z]{0,5}",
            ending in "s|ing|ed|eed|y|ies|ied|ying|ational|ly|edly|ingly|ization|biliti|ness|ful|ement|e|",
        ) {
            let word = stem + &ending;
            for Word { term, .. } in Analyzer::new().words(&word) {
                let mut prefixes = Prefixes::default();
                prefixes.add(&term);
                prop_assert!(prefixes.may_be_first(word.as_bytes()[0]), "{word} {term}");
                prop_assert!(prefixes.may_begin(word.as_bytes()), "{word} {term}");
            }
        }
    }
}
