//! The part of a text that matches a search best.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::analyzer::Analyzer;
use crate::phrases::{Found, Phrases};

/// A part of a text, with the positions of the search's words in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt<'t> {
    /// Begins and ends at words.
    pub text: &'t str,
    /// In characters (Unicode scalar values) of the excerpt, sorted, and without overlaps.
    pub matches: Vec<Range<usize>>,
}

/// An occurrence of a phrase of the search, in bytes and in characters of the text.
#[derive(Debug, Clone)]
struct Hit {
    phrase: usize,
    bytes: Range<usize>,
    chars: Range<usize>,
}

impl Analyzer {
    /// The part of `text`, at most `length` characters, that has the most different phrases, or else the beginning.
    pub fn excerpt<'t>(&self, text: &'t str, phrases: &Phrases, length: usize) -> Excerpt<'t> {
        let hits = hits(&phrases.find(self, text), phrases);
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

    /// The bytes of the part to show.
    fn window(&self, text: &str, hits: &[Hit], length: usize) -> Range<usize> {
        // No character has more than four bytes.
        let may_fit = text.len() / 4 <= length;
        if text.len() <= length || (may_fit && text.chars().nth(length).is_none()) {
            return 0..text.len();
        }
        let best = best_hits(hits, length);
        let (first, shown) = match best {
            Some((first, last)) => (first.bytes.start, last.chars.end - first.chars.start),
            None => (0, 0),
        };
        // A third of the remaining length goes before the words, so that they are read in their context.
        let lead = (length - shown.min(length)) / 3;
        let start = back(text, first, lead);
        let start = match start {
            0 => 0,
            start => self.word_start(text, start).min(first),
        };
        let end = forth(text, start, length);
        // Near the end of the text, more of the part before fits.
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
        // Punctuation at the end of the previous sentence is left out.
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
        if text[run.clone()].is_ascii() {
            // One word, which begins before.
            return run.end;
        }
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
        if text[run.clone()].is_ascii() {
            return match run.start > start {
                true => run.start,
                false => offset,
            };
        }
        let words = self.words_of_run(text, run.clone());
        let ends = [run.start]
            .into_iter()
            .chain(words.map(|word| word.range.end));
        ends.filter(|&end| end <= offset && end > start)
            .last()
            .unwrap_or(offset)
    }
}

/// Where the phrases stand, in order.
fn hits(found: &[Found], phrases: &Phrases) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (index, first) in found.iter().enumerate() {
        for &(phrase, _) in first.places.iter().filter(|(_, offset)| *offset == 0) {
            let length = phrases.length(phrase);
            let standing = found[index..]
                .iter()
                .zip(0..length)
                .take_while(|(found, offset)| {
                    (*offset == 0 || found.is_next) && found.places.contains(&(phrase, *offset))
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

/// The first and the last of the hits, within `length` characters, that have the most different phrases, then the most
/// hits; of equal ones the earliest.
fn best_hits(hits: &[Hit], length: usize) -> Option<(&Hit, &Hit)> {
    /// More need not be compared: with so many hits there is no best place.
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
        _ if count <= offset && text.as_bytes()[offset - count..offset].is_ascii() => {
            offset - count
        }
        _ => text[..offset]
            .char_indices()
            .rev()
            .nth(count - 1)
            .map_or(0, |(index, _)| index),
    }
}

/// The offset `count` characters after `offset`.
fn forth(text: &str, offset: usize, count: usize) -> usize {
    let as_bytes = text.as_bytes().get(offset..offset + count);
    if as_bytes.is_some_and(<[u8]>::is_ascii) {
        return offset + count;
    }
    text[offset..]
        .char_indices()
        .nth(count)
        .map_or(text.len(), |(index, _)| offset + index)
}
