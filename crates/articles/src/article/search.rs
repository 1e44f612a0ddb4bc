//! The web-search syntax: words, `"a phrase"`, `or`, `-without`. Parsed once, for both databases.
//!
//! `or` binds as in PostgreSQL's `websearch_to_tsquery`: looser than adjacent words. No input is an error: text that is
//! not a word is ignored, and a quotation mark that is never closed reaches to the end. Words are recognized by the
//! same rules as in the texts.

use std::collections::HashSet;

use search_words::{Highlight, Word};

use super::filter::Filter;
use super::words::analyzer;

/// The maximum number of words of a phrase that must be adjacent. Of a longer phrase each part of this length must
/// occur; the parts overlap by half.
pub const MAX_PHRASE_WORDS: usize = 64;

/// The maximum number of words that matches are ranked by: as many as a person types.
pub const RANKED_WORDS: usize = 32;

/// The maximum distance, in words, at which words count as close together.
pub const CLOSE: usize = 3;

/// A search: any of the alternatives must match. There is at least one, and each has at least one term.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Search {
    pub alternatives: Vec<Alternative>,
}

/// All of the terms must match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Alternative {
    pub with: Vec<Phrase>,
    pub without: Vec<Phrase>,
}

/// Adjacent words in this order; at least one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phrase(pub Vec<Term>);

/// A word of a search.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// Without accents, which matches every word of a text. Contains no white space, quotation marks or characters of a
    /// query syntax.
    pub term: String,
    /// With accents, where only words with the same accents match.
    pub accented: Option<String>,
}

impl Search {
    /// The condition for a search text. `None` for an empty text, which is the same as no search. A text without a word
    /// matches no article.
    pub fn parse(text: &str) -> Option<Filter> {
        if text.trim().is_empty() {
            return None;
        }
        let mut alternatives = Vec::new();
        let mut current = Alternative::default();
        let mut rest = text;
        // Whether an operand precedes, because an `or` needs one on each side.
        let mut after_operand = false;
        while let Some((token, following)) = next_token(rest) {
            rest = following;
            match token {
                Token::Bare {
                    negated: false,
                    text,
                } if after_operand
                    && text.eq_ignore_ascii_case("or")
                    && next_token(following).is_some() =>
                {
                    alternatives.push(std::mem::take(&mut current));
                    after_operand = false;
                }
                Token::Bare { negated, text } | Token::Quoted { negated, text } => {
                    after_operand = true;
                    match (Phrase::of(text), negated) {
                        (Some(phrase), false) => current.with.push(phrase),
                        (Some(phrase), true) => current.without.push(phrase),
                        (None, _) => {}
                    }
                }
            }
        }
        alternatives.push(current);
        alternatives.retain(|alternative| !alternative.is_empty());
        Some(match alternatives.is_empty() {
            true => Filter::Or(Vec::new()),
            false => Filter::Search(Self { alternatives }),
        })
    }

    /// The same search without duplicates.
    #[must_use]
    pub fn without_repetitions(self) -> Self {
        let mut seen = HashSet::new();
        let mut alternatives = self.alternatives;
        for alternative in &mut alternatives {
            retain_first(&mut alternative.with);
            retain_first(&mut alternative.without);
        }
        alternatives.retain(|alternative| {
            let sorted = |phrases: &[Phrase]| {
                let mut phrases = phrases.to_vec();
                phrases.sort_unstable();
                phrases
            };
            seen.insert((sorted(&alternative.with), sorted(&alternative.without)))
        });
        Self { alternatives }
    }

    /// Its first alternatives with at most this number of words together, without excluded words; where the first
    /// alternative alone has more, its beginning.
    #[must_use]
    pub fn first_words(&self, most: usize) -> Self {
        let mut left = most;
        let mut alternatives = Vec::new();
        for alternative in &self.alternatives {
            let mut with = Vec::new();
            for Phrase(words) in &alternative.with {
                let words: Vec<Term> = words.iter().take(left).cloned().collect();
                left -= words.len();
                if !words.is_empty() {
                    with.push(Phrase(words));
                }
            }
            if !with.is_empty() {
                alternatives.push(Alternative {
                    with,
                    without: Vec::new(),
                });
            }
        }
        Self { alternatives }
    }

    /// The words that matches are ranked by, for each alternative in turn.
    pub fn ranked_words(&self) -> impl Iterator<Item = Vec<&Term>> {
        let mut left = RANKED_WORDS;
        let alternatives = self.alternatives.iter();
        let words = alternatives.map(move |alternative| {
            let words = alternative.with.iter().flat_map(|Phrase(words)| words);
            let words: Vec<&Term> = words.take(left).collect();
            left -= words.len();
            words
        });
        words.filter(|words| !words.is_empty())
    }

    /// Whether it contains words that must be adjacent.
    pub fn has_phrases(&self) -> bool {
        let terms = self.alternatives.iter();
        terms
            .flat_map(|alternative| alternative.with.iter().chain(&alternative.without))
            .any(|Phrase(words)| words.len() > 1)
    }

    /// The number of its words.
    pub fn words(&self) -> usize {
        let terms = self.alternatives.iter();
        terms
            .flat_map(|alternative| alternative.with.iter().chain(&alternative.without))
            .map(|Phrase(words)| words.len())
            .sum()
    }
}

impl Alternative {
    fn is_empty(&self) -> bool {
        self.with.is_empty() && self.without.is_empty()
    }
}

fn retain_first(phrases: &mut Vec<Phrase>) {
    let mut seen = HashSet::new();
    phrases.retain(|phrase| seen.insert(phrase.clone()));
}

impl Phrase {
    fn of(text: &str) -> Option<Self> {
        let words: Vec<Term> = analyzer().words(text).map(Term::from).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// The parts that must all occur: the phrase itself, if it is not longer than [`MAX_PHRASE_WORDS`].
    pub fn parts(&self) -> impl Iterator<Item = &[Term]> {
        let Self(words) = self;
        let starts = (0..words.len()).step_by(MAX_PHRASE_WORDS / 2);
        starts
            .take_while(|start| *start == 0 || start + MAX_PHRASE_WORDS / 2 < words.len())
            .map(|start| &words[start..words.len().min(start + MAX_PHRASE_WORDS)])
    }

    /// The accented terms that an article must also contain.
    pub fn accented(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|term| term.accented.as_deref())
    }
}

impl From<Word> for Term {
    fn from(word: Word) -> Self {
        Self {
            term: word.term,
            accented: word.accented,
        }
    }
}

impl From<&Term> for Highlight {
    fn from(term: &Term) -> Self {
        Self {
            term: term.term.clone(),
            accented: term.accented.clone(),
        }
    }
}

enum Token<'t> {
    Bare { negated: bool, text: &'t str },
    Quoted { negated: bool, text: &'t str },
}

/// The next token, and the rest of the text.
fn next_token(text: &str) -> Option<(Token<'_>, &str)> {
    let text = text.trim_start();
    if text.is_empty() {
        return None;
    }
    let (negated, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if let Some(quoted) = text.strip_prefix('"') {
        let (text, rest) = quoted.split_once('"').unwrap_or((quoted, ""));
        return Some((Token::Quoted { negated, text }, rest));
    }
    let end = text
        .find(|c: char| c.is_whitespace() || c == '"')
        .unwrap_or(text.len());
    let (text, rest) = text.split_at(end);
    Some((Token::Bare { negated, text }, rest))
}

#[cfg(test)]
mod tests;
