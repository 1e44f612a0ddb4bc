//! The syntax of searches.

use broadsheet_articles::article::filter::Filter;
use broadsheet_articles::article::search::{Phrase, Search};

use crate::target::{Target, ensure, kind, magnitude, text};

pub(crate) struct Searches;

impl Target for Searches {
    fn name(&self) -> &'static str {
        "search"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let seeds = [
            "rust",
            "rust database",
            "\"change feed\"",
            "rust or graphql",
            "rust -java",
            "-\"a b\" or c",
            "or or or",
            "\"never closed",
            "naïve café",
            "日本語の検索",
            "snake_case foo.bar a-b c++",
            "ΣΊΣΥΦΟΣ ß ﬁ",
            "a b a b or a b",
            " \t\u{a0}",
            "--",
            "\"\"",
        ];
        seeds.map(Into::into).into()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &[
            " or ", " OR ", "-", "\"", "\" \"", " ", "\u{301}", "é", "検索", "ss", "ß", "\u{200d}",
            "\u{3000}", "a1", "'", ":*", "&|!",
        ]
    }

    fn check(&self, input: &[u8]) -> Result<u64, String> {
        let search = text(input);
        let search = match Search::parse(&search) {
            None => {
                ensure(search.trim().is_empty(), || {
                    "what is not blank is ignored".to_owned()
                })?;
                return Ok(kind("blank"));
            }
            Some(Filter::Or(none)) => {
                ensure(none.is_empty(), || {
                    format!("alternatives that are no search: {none:?}")
                })?;
                return Ok(kind("no word"));
            }
            Some(Filter::Search(search)) => search,
            Some(other) => return Err(format!("it becomes {other:?}")),
        };
        ensure(!search.alternatives.is_empty(), || {
            "no alternative".to_owned()
        })?;
        for alternative in &search.alternatives {
            let mut phrases = alternative
                .with
                .iter()
                .chain(&alternative.without)
                .peekable();
            ensure(phrases.peek().is_some(), || {
                "an alternative without a term".to_owned()
            })?;
            for Phrase(words) in phrases {
                ensure(!words.is_empty(), || "a phrase without a word".to_owned())?;
                for word in words {
                    check_term(&word.term)?;
                    word.accented.as_deref().map_or(Ok(()), check_term)?;
                }
            }
        }
        let once = search.clone().without_repetitions();
        ensure(once.words() <= search.words(), || {
            format!("{once:?} has more words")
        })?;
        let twice = once.clone().without_repetitions();
        ensure(twice == once, || format!("{once:?} still has repetitions"))?;
        for most in [0, 1, 7] {
            let words = search.first_words(most).words();
            ensure(words <= most, || format!("{words} words instead of {most}"))?;
        }
        let alternatives = magnitude(search.alternatives.len());
        Ok(kind((
            alternatives,
            magnitude(search.words()),
            search.has_phrases(),
            once == search,
        )))
    }
}

/// Checks that a term contains no characters of a query syntax, because it becomes part of a query of either database.
fn check_term(term: &str) -> Result<(), String> {
    let is_syntax = |c: char| c.is_whitespace() || c.is_control() || "\"'\\&|!():*<>".contains(c);
    ensure(!term.is_empty() && !term.contains(is_syntax), || {
        format!("the term {term:?}")
    })
}
