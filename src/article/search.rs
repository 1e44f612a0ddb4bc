//! The web-search form: words, `"a phrase"`, `or`, `-without`. Parsed once, for both databases.
//!
//! `or` binds as in PostgreSQL's `websearch_to_tsquery`: looser than the words beside each other. Nothing that a
//! person can type is an error: what is no word is passed over, and a quotation mark that is never closed reaches
//! to the end.

use std::collections::{BTreeSet, HashSet};

use super::filter::Filter;

/// The most characters of a word that is looked for. PostgreSQL indexes no word of 2,047 bytes or more, in lower case, and
/// passes over such a word in a search; a character of any script has at most four.
pub const MAX_WORD_CHARS: usize = 500;

/// A search: any of the alternatives must match. There is at least one, and each has at least one term.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Search {
    pub alternatives: Vec<Alternative>,
}

/// All of the terms must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Alternative {
    pub with: Vec<Phrase>,
    pub without: Vec<Phrase>,
}

/// Words that stand side by side in this order; at least one. A word has letters and digits only. Their case is kept:
/// each database folds it as it does that of the texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phrase(pub Vec<String>);

impl Search {
    /// The condition that a text stands for. `None` where it is blank, which is as if no search were given.
    ///
    /// No article matches a text without a word, or has a word of more than [`MAX_WORD_CHARS`].
    pub fn parse(text: &str) -> Option<Filter> {
        if text.trim().is_empty() {
            return None;
        }
        let mut drafts = Vec::new();
        let mut current = Draft::default();
        let mut rest = text;
        // Whether something stands before, so that an `or` stands between two things.
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
                    drafts.push(std::mem::take(&mut current));
                    after_operand = false;
                }
                Token::Bare { negated, text } | Token::Quoted { negated, text } => {
                    after_operand = true;
                    if let Some(phrase) = Phrase::of(text) {
                        current.add(negated, phrase);
                    }
                }
            }
        }
        drafts.push(current);
        if drafts.iter().any(Draft::always_holds) {
            return Some(Filter::ALL);
        }
        let alternatives: Vec<Alternative> = drafts
            .into_iter()
            .filter(|draft| !draft.never_holds && !draft.terms.is_empty())
            .map(|draft| draft.terms)
            .collect();
        Some(match alternatives.is_empty() {
            true => Filter::Or(Vec::new()),
            false => Filter::Search(Self { alternatives }),
        })
    }

    /// The same search with what it repeats only once. Only the case of ASCII is passed over in comparing, because how
    /// other letters are folded is up to the database.
    #[must_use]
    pub fn without_repetitions(self) -> Self {
        let mut seen = HashSet::new();
        let mut alternatives = self.alternatives;
        for alternative in &mut alternatives {
            retain_first(&mut alternative.with);
            retain_first(&mut alternative.without);
        }
        alternatives.retain(|alternative| {
            let folded =
                |phrases: &[Phrase]| phrases.iter().map(Phrase::folded).collect::<BTreeSet<_>>();
            seen.insert((folded(&alternative.with), folded(&alternative.without)))
        });
        Self { alternatives }
    }

    /// Its first alternatives that have at most so many words together, without what must not occur; where the first
    /// alone has more, the beginning of that.
    #[must_use]
    pub fn first_words(&self, most: usize) -> Self {
        let mut left = most;
        let mut alternatives = Vec::new();
        for alternative in &self.alternatives {
            let mut with = Vec::new();
            for Phrase(words) in &alternative.with {
                let words: Vec<String> = words.iter().take(left).cloned().collect();
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

    /// How many words it has.
    pub fn words(&self) -> usize {
        let terms = self.alternatives.iter();
        terms
            .flat_map(|alternative| alternative.with.iter().chain(&alternative.without))
            .map(|Phrase(words)| words.len())
            .sum()
    }
}

/// An alternative that is being read, with what is known of it beside the terms that the database is asked for.
#[derive(Default)]
struct Draft {
    terms: Alternative,
    /// It demands a word that no article has.
    never_holds: bool,
    /// It excludes a word that no article has.
    excludes_nothing: bool,
}

impl Draft {
    fn add(&mut self, negated: bool, phrase: Phrase) {
        match (negated, phrase.is_nowhere()) {
            (false, false) => self.terms.with.push(phrase),
            (true, false) => self.terms.without.push(phrase),
            (false, true) => self.never_holds = true,
            (true, true) => self.excludes_nothing = true,
        }
    }

    fn always_holds(&self) -> bool {
        self.excludes_nothing && !self.never_holds && self.terms.is_empty()
    }
}

impl Alternative {
    fn is_empty(&self) -> bool {
        self.with.is_empty() && self.without.is_empty()
    }
}

fn retain_first(phrases: &mut Vec<Phrase>) {
    let mut seen = HashSet::new();
    phrases.retain(|phrase| seen.insert(phrase.folded()));
}

impl Phrase {
    fn folded(&self) -> String {
        self.0.join(" ").to_ascii_lowercase()
    }

    /// Whether one of its words is too long to be found anywhere.
    fn is_nowhere(&self) -> bool {
        self.0
            .iter()
            .any(|word| word.chars().nth(MAX_WORD_CHARS).is_some())
    }

    fn of(text: &str) -> Option<Self> {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        (!words.is_empty()).then_some(Self(words))
    }
}

enum Token<'t> {
    Bare { negated: bool, text: &'t str },
    Quoted { negated: bool, text: &'t str },
}

/// The next token, and what follows it.
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
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// The search in a plain form: `(a "b c" -d) | (e)`.
    fn parsed(text: &str) -> String {
        match Search::parse(text) {
            Some(Filter::Search(search)) => shown(search),
            Some(Filter::Or(none)) if none.is_empty() => "nothing".to_owned(),
            Some(_) => "everything".to_owned(),
            None => "not given".to_owned(),
        }
    }

    fn search(text: &str) -> Search {
        match Search::parse(text) {
            Some(Filter::Search(search)) => search,
            other => panic!("{other:?}"),
        }
    }

    fn shown(search: Search) -> String {
        let mut out = String::new();
        for alternative in search.alternatives {
            if !out.is_empty() {
                out.push_str(" | ");
            }
            let shown = |phrase: &Phrase| phrase.0.join("+");
            let with = alternative.with.iter().map(shown);
            let without = alternative
                .without
                .iter()
                .map(|phrase| format!("-{}", shown(phrase)));
            let terms: Vec<String> = with.chain(without).collect();
            write!(out, "{}", terms.join(" ")).unwrap();
        }
        out
    }

    #[test]
    fn words_phrases_alternatives_and_exclusions_are_understood() {
        assert_eq!(parsed("Fat  Rats"), "Fat Rats");
        assert_eq!(parsed(r#""fat rats" cat"#), "fat+rats cat");
        assert_eq!(parsed("a b or c d"), "a b | c d");
        assert_eq!(parsed(r#"a -b -"c d""#), "a -b -c+d");
        assert_eq!(parsed("-a"), "-a");
    }

    #[test]
    fn an_or_that_joins_nothing_is_a_word() {
        assert_eq!(parsed("or a"), "or a");
        assert_eq!(parsed("a or"), "a or");
        assert_eq!(parsed("a or or b"), "a | or b");
        assert_eq!(parsed("a -or b"), "a b -or");
        assert_eq!(parsed("a \"or\" b"), "a or b");
    }

    #[test]
    fn what_is_repeated_stands_once() {
        let once = |text: &str| shown(search(text).without_repetitions());
        assert_eq!(once("a A \"b c\" \"B c\" -d -D"), "a b+c -d");
        assert_eq!(once("a b or c or B A or a -b or c"), "a b | c | a -b");
        assert_eq!(
            once(&"word text or ".repeat(500)),
            "word text | word text or"
        );
        assert_eq!(once("é É ſ s"), "é É ſ s");
    }

    #[test]
    fn the_first_words_are_those_of_the_first_alternatives() {
        let first = |text: &str, most| shown(search(text).first_words(most));
        assert_eq!(first("a b -c or -d or \"e f\" g", 4), "a b | e+f");
        assert_eq!(first("a \"b c d\" e", 3), "a b+c");
        assert_eq!(first("-a or b", 1), "b");
    }

    #[test]
    fn what_is_no_word_is_passed_over() {
        assert_eq!(parsed("e-mail 3.14 o'neill"), "e+mail 3+14 o+neill");
        assert_eq!(parsed("!!! & | ( ) * : \\ '"), "nothing");
        assert_eq!(parsed("\"\" or -\u{1f389}"), "nothing");
        assert_eq!(parsed(" \u{2003}\n"), "not given");
        assert_eq!(parsed(""), "not given");
        assert_eq!(parsed("a or !!!"), "a");
        assert_eq!(parsed(r#"a "b c"#), "a b+c");
        assert_eq!(parsed(r#"a"b"c - -- """#), "a b c");
    }

    #[test]
    fn a_word_that_is_too_long_is_nowhere() {
        let (longest, long) = ("é".repeat(500), "é".repeat(501));
        assert_eq!(parsed(&longest), longest);
        assert_eq!(parsed(&long), "nothing");
        assert_eq!(parsed(&format!("a {long}")), "nothing");
        assert_eq!(parsed(&format!("\"a {long}\" or b")), "b");
        assert_eq!(parsed(&format!("a -{long}")), "a");
        assert_eq!(parsed(&format!("-{long}")), "everything");
        assert_eq!(parsed(&format!("a or -{long}")), "everything");
        assert_eq!(parsed(&format!("{long} -{long}")), "nothing");
    }

    proptest! {
        #[test]
        fn nothing_that_can_be_typed_breaks_it(text in "[a-c \"\\-!or']{0,40}|\\PC{0,40}") {
            if let Some(Filter::Search(search)) = Search::parse(&text) {
                prop_assert!(!search.alternatives.is_empty());
                for alternative in search.alternatives {
                    prop_assert!(!(alternative.with.is_empty() && alternative.without.is_empty()));
                    for Phrase(words) in alternative.with.iter().chain(&alternative.without) {
                        prop_assert!(!words.is_empty());
                        prop_assert!(words.iter().all(|word| !word.is_empty()));
                    }
                }
            }
        }
    }
}
