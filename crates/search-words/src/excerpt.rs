//! The part of a text that fits a search best.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use crate::analyzer::{Analyzer, Word};

/// A word to highlight, by its terms as [`Word`] has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Highlight {
    /// Without accents.
    pub term: String,
    /// With accents, where only words with the same ones are meant.
    pub accented: Option<String>,
}

/// A part of a text, and where the words of a search stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt<'t> {
    /// Begins and ends at words.
    pub text: &'t str,
    /// In characters (Unicode scalar values) of the excerpt, in order, none overlapping another.
    pub matches: Vec<Range<usize>>,
}

/// A place where a phrase of the search stands, in bytes and in characters of the text.
#[derive(Debug, Clone)]
struct Hit {
    phrase: usize,
    bytes: Range<usize>,
    chars: Range<usize>,
}

/// A word of the text that is one of the search, with its number in the text.
struct Found {
    position: usize,
    /// Which of the distinct words of the search.
    words: Vec<usize>,
    bytes: Range<usize>,
    chars: Range<usize>,
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

impl Analyzer {
    /// The part of `text`, at most `length` characters, that has the most different phrases, or else the beginning.
    ///
    /// A phrase is a list of words that stand side by side; most have one.
    pub fn excerpt<'t>(
        &self,
        text: &'t str,
        phrases: &[Vec<Highlight>],
        length: usize,
    ) -> Excerpt<'t> {
        let hits = self.hits(text, phrases);
        let bytes = self.window(text, &hits, length);
        let before = match hits.first() {
            Some(_) => text[..bytes.start].chars().count(),
            None => 0,
        };
        let mut matches: Vec<Range<usize>> = Vec::new();
        for hit in &hits {
            let is_within = bytes.start <= hit.bytes.start && hit.bytes.end <= bytes.end;
            let follows = matches
                .last()
                .is_none_or(|last| last.end <= hit.chars.start - before);
            if is_within && follows {
                matches.push(hit.chars.start - before..hit.chars.end - before);
            }
        }
        Excerpt {
            text: &text[bytes],
            matches,
        }
    }

    /// Where the phrases stand, in order.
    fn hits(&self, text: &str, phrases: &[Vec<Highlight>]) -> Vec<Hit> {
        let vocabulary: Vec<&Highlight> = phrases.iter().flatten().collect();
        if vocabulary.is_empty() {
            return Vec::new();
        }
        let found = self.find(text, &vocabulary);
        // The phrase that begins with each word of the vocabulary, where one does.
        let mut starts = vec![None; vocabulary.len()];
        let mut first_word = 0;
        for (phrase, words) in phrases.iter().enumerate() {
            if let Some(start) = starts.get_mut(first_word) {
                *start = Some(phrase);
            }
            first_word += words.len();
        }
        let mut hits = Vec::new();
        for (index, first) in found.iter().enumerate() {
            for &start in &first.words {
                let Some(phrase) = starts[start] else {
                    continue;
                };
                let length = phrases[phrase].len();
                let standing =
                    found[index..]
                        .iter()
                        .zip(0..length)
                        .take_while(|(found, offset)| {
                            found.position == first.position + offset
                                && found.words.contains(&(start + offset))
                        });
                let last = standing.last().filter(|(_, offset)| offset + 1 == length);
                if let Some((last, _)) = last {
                    hits.push(Hit {
                        phrase,
                        bytes: first.bytes.start..last.bytes.end,
                        chars: first.chars.start..last.chars.end,
                    });
                }
            }
        }
        hits.sort_by_key(|hit| (hit.bytes.start, std::cmp::Reverse(hit.bytes.end)));
        hits
    }

    /// The words of the text that the search has.
    fn find(&self, text: &str, vocabulary: &[&Highlight]) -> Vec<Found> {
        // Stemming keeps the first letter, so most words need not be stemmed to see that they are others.
        let mut first_letters = [false; 128];
        for highlight in vocabulary {
            if let Some(&byte) = highlight.term.as_bytes().first()
                && let Some(first) = first_letters.get_mut(usize::from(byte))
            {
                *first = true;
            }
        }
        let may_be_found = |run: &[u8]| {
            let first = run.first().map_or(0, u8::to_ascii_lowercase);
            first_letters
                .get(usize::from(first))
                .copied()
                .unwrap_or(true)
        };
        let mut by_term: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, highlight) in vocabulary.iter().enumerate() {
            by_term.entry(&highlight.term).or_default().push(index);
        }
        let mut found = Vec::new();
        let (mut position, mut counted, mut chars) = (0, 0, 0);
        for run in self.runs(text) {
            let written = &text[run.clone()];
            if written.is_ascii() && !may_be_found(written.as_bytes()) {
                position += 1;
                continue;
            }
            for word in self.words_of_run(text, run) {
                let candidates = by_term.get(word.term.as_str()).into_iter().flatten();
                let words: Vec<usize> = candidates
                    .copied()
                    .filter(|&index| vocabulary[index].is(&word))
                    .collect();
                if !words.is_empty() {
                    chars += text[counted..word.range.start].chars().count();
                    counted = word.range.start;
                    let length = text[word.range.clone()].chars().count();
                    found.push(Found {
                        position,
                        words,
                        bytes: word.range,
                        chars: chars..chars + length,
                    });
                }
                position += 1;
            }
        }
        found
    }

    /// The bytes of the part to show.
    fn window(&self, text: &str, hits: &[Hit], length: usize) -> Range<usize> {
        if text.len() <= length || text.chars().nth(length).is_none() {
            return 0..text.len();
        }
        let best = best_hits(hits, length);
        let (first, shown) = match best {
            Some((first, last)) => (first.bytes.start, last.chars.end - first.chars.start),
            None => (0, 0),
        };
        // A third of the room that is left stands before, so that the words are read in their context.
        let lead = (length - shown.min(length)) / 3;
        let start = back(text, first, lead);
        let start = match start {
            0 => 0,
            start => self.word_start(text, start).min(first),
        };
        let end = forth(text, start, length);
        // Near the end of the text, more of what stands before has room.
        let start = match end == text.len() && start > 0 {
            true => {
                let start = back(text, text.len(), length);
                self.word_start(text, start).min(first)
            }
            false => start,
        };
        let shown = best.map_or(start, |(_, last)| last.bytes.end.min(end));
        let end = match end == text.len() {
            true => end,
            false => self.word_end(text, end, start).max(shown),
        };
        let part = &text[start..end];
        // What ends a sentence before it does not belong to it.
        let shown = match start {
            0 => part.trim_start(),
            _ => part.trim_start_matches(|c| self.is_separator(c)),
        };
        let start = start + (part.len() - shown.len());
        start..start + shown.trim_end().len()
    }

    /// The beginning of the first word at or after `offset`, or `offset` itself inside a word without an end in sight.
    fn word_start(&self, text: &str, offset: usize) -> usize {
        let Some(run) = self.run_around(text, offset) else {
            return offset;
        };
        let words = self.words_of_run(text, run.clone());
        let starts = words.map(|word| word.range.start).chain([run.end]);
        let mut later = starts.filter(|&start| start >= offset);
        later.next().unwrap_or(offset)
    }

    /// The end of the last word at or before `offset`, if it is after `start`; else `offset`.
    fn word_end(&self, text: &str, offset: usize, start: usize) -> usize {
        let Some(run) = self.run_around(text, offset) else {
            return offset;
        };
        let words = self.words_of_run(text, run.clone());
        let ends = [run.start]
            .into_iter()
            .chain(words.map(|word| word.range.end));
        ends.filter(|&end| end <= offset && end > start)
            .last()
            .unwrap_or(offset)
    }
}

/// The first and the last of the hits, within `length` characters, that have the most different phrases, then the most
/// hits; of equal ones the earliest.
fn best_hits(hits: &[Hit], length: usize) -> Option<(&Hit, &Hit)> {
    /// More need not be compared: whoever repeats a word that often has no best place.
    const MAX_STARTS: usize = 1_000;
    let mut best = None;
    let mut best_score = (0, 0);
    for (index, first) in hits.iter().enumerate().take(MAX_STARTS) {
        let within = hits[index..]
            .iter()
            .take(MAX_STARTS)
            .take_while(|hit| hit.chars.end <= first.chars.start + length);
        let mut phrases = BTreeSet::new();
        let (mut count, mut last) = (0, first);
        for hit in within {
            phrases.insert(hit.phrase);
            count += 1;
            last = hit;
        }
        let score = (phrases.len(), count);
        if score > best_score {
            (best, best_score) = (Some((first, last)), score);
        }
    }
    best
}

/// The offset `count` characters before `offset`.
fn back(text: &str, offset: usize, count: usize) -> usize {
    match count {
        0 => offset,
        _ => text[..offset]
            .char_indices()
            .rev()
            .nth(count - 1)
            .map_or(0, |(index, _)| index),
    }
}

/// The offset `count` characters after `offset`.
fn forth(text: &str, offset: usize, count: usize) -> usize {
    text[offset..]
        .char_indices()
        .nth(count)
        .map_or(text.len(), |(index, _)| offset + index)
}
