use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// The search in a readable form: `(a "b c" -d) | (e)`.
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
        let word = |term: &Term| term.accented.clone().unwrap_or(term.term.clone());
        let shown = |phrase: &Phrase| {
            let words: Vec<String> = phrase.0.iter().map(word).collect();
            words.join("+")
        };
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
    assert_eq!(parsed("Fat  Rats"), "fat rat");
    assert_eq!(parsed(r#""fat rats" cat"#), "fat+rat cat");
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
fn repetitions_are_removed() {
    let once = |text: &str| shown(search(text).without_repetitions());
    assert_eq!(once("a A \"b c\" \"B c\" -d -D"), "a b+c -d");
    assert_eq!(once("a b or c or B A or a -b or c"), "a b | c | a -b");
    assert_eq!(
        once(&"word text or ".repeat(500)),
        "word text | word text or"
    );
    assert_eq!(once("é É ſ s run running"), "é s run");
}

#[test]
fn the_first_words_are_those_of_the_first_alternatives() {
    let first = |text: &str, most| shown(search(text).first_words(most));
    assert_eq!(first("a b -c or -d or \"e f\" g", 4), "a b | e+f");
    assert_eq!(first("a \"b c d\" e", 3), "a b+c");
    assert_eq!(first("-a or b", 1), "b");
}

#[test]
fn text_that_is_not_a_word_is_ignored() {
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
fn search_words_follow_the_rules_of_texts() {
    assert_eq!(parsed("Cafés cre\u{300}me running"), "café crème run");
    assert_eq!(parsed("東京の首都 ภาษาไทย"), "東京+の+首都 ภาษา+ไทย");
    assert_eq!(parsed("①② Ⅷ 〇"), "12 viii 〇");
    assert_eq!(parsed(&"x".repeat(3_000)), "x".repeat(200));
}

#[test]
fn a_long_phrase_is_split_into_overlapping_parts() {
    let parts = |count: usize| -> Vec<(String, usize)> {
        let words: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let phrase = Phrase::of(&words.join(" ")).unwrap();
        let parts = phrase.parts();
        parts
            .map(|part| (part[0].term.clone(), part.len()))
            .collect()
    };
    let part = |start: &str, length| (start.to_owned(), length);
    assert_eq!(parts(1), [part("0", 1)]);
    assert_eq!(parts(64), [part("0", 64)]);
    assert_eq!(parts(65), [part("0", 64), part("32", 33)]);
    assert_eq!(parts(100), [part("0", 64), part("32", 64), part("64", 36)]);
}

proptest! {
    #[test]
    fn arbitrary_input_does_not_panic(text in "[a-c \"\\-!or']{0,40}|\\PC{0,40}") {
        if let Some(Filter::Search(search)) = Search::parse(&text) {
            prop_assert!(!search.alternatives.is_empty());
            for alternative in search.alternatives {
                prop_assert!(!(alternative.with.is_empty() && alternative.without.is_empty()));
                for Phrase(words) in alternative.with.iter().chain(&alternative.without) {
                    prop_assert!(!words.is_empty());
                    prop_assert!(words.iter().all(|word| !word.term.is_empty()));
                }
            }
        }
    }
}
