//! The words of texts in many scripts.

use proptest::prelude::*;
use search_words::{Analyzer, Phrases};

/// The terms of a text; each that has accents is followed by a slash and its form with them.
fn terms(text: &str) -> String {
    let analyzer = Analyzer::new();
    let terms: Vec<String> = analyzer
        .words(text)
        .map(|word| match word.accented {
            Some(accented) => format!("{}/{accented}", word.term),
            None => word.term,
        })
        .collect();
    terms.join(" ")
}

/// Whether a search for one word or phrase finds the text: its terms must be adjacent there.
fn finds(search: &str, text: &str) -> bool {
    let analyzer = Analyzer::new();
    let text: Vec<_> = analyzer.words(text).collect();
    let search: Vec<_> = analyzer.words(search).collect();
    !search.is_empty()
        && text.windows(search.len()).any(|window| {
            window.iter().zip(&search).all(|(word, searched)| {
                word.term == searched.term
                    && (searched.accented.is_none() || word.accented == searched.accented)
            })
        })
}

#[test]
fn other_characters_separate_words() {
    assert_eq!(terms("e-mail 3.14 O'Neill's"), "e mail 3 14 o neill s");
    assert_eq!(terms("readme_first.txt a/b?c=d"), "readm first txt a b c d");
    assert_eq!(terms("12abc x² v1.2"), "12abc x2 v1 2");
    assert_eq!(terms("🎉 ??? — !"), "");
    assert_eq!(terms("co\u{ad}operate می\u{200c}خواهم"), "cooper میخواهم");
}

#[test]
fn words_in_latin_letters_are_stemmed_as_english() {
    assert_eq!(
        terms("Running runs generous general news"),
        "run run generous general news"
    );
    assert_eq!(terms("the The THE"), "the the the");
}

#[test]
fn accents_count_only_if_the_search_has_them() {
    for (text, plain, accented) in [
        ("Le Café", "cafe", "café"),
        ("crème brûlée", "creme", "crème"),
        ("Łódź", "lodz", "łódź"),
        ("smørrebrød", "smorrebrod", "smørrebrød"),
        ("Ünïcode", "unicode", "ünïcode"),
        ("Ελλάδα", "ελλαδα", "ελλάδα"),
        ("ёлка", "елка", "ёлка"),
        ("مُحَمَّد", "محمد", "مُحَمَّد"),
        ("شָלוֹם שָׁלוֹם", "שלום", "שָׁלוֹם"),
        ("İstanbul", "istanbul", "İstanbul"),
        ("Việt Nam", "viet", "việt"),
    ] {
        assert!(finds(plain, text), "{plain} in {text}");
        assert!(finds(accented, text), "{accented} in {text}");
        assert!(!finds(accented, plain), "{accented} in {plain}");
    }
    assert!(!finds("мои", "мой"));
    assert!(!finds("かき", "かぎ"));
    assert!(!finds("café", "cafè"));
}

#[test]
fn canonically_equivalent_texts_have_equal_terms() {
    for (composed, decomposed) in [
        ("crème", "cre\u{300}me"),
        ("Å", "A\u{30a}"),
        ("が", "か\u{3099}"),
        ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
        ("ệ", "e\u{323}\u{302}"),
        ("\u{f9d1}", "六"),
        ("क\u{93c}", "\u{958}"),
    ] {
        assert_eq!(terms(composed), terms(decomposed), "{composed}");
    }
}

#[test]
fn vowel_signs_are_part_of_the_word() {
    for (word, other) in [
        ("किताब", "कातिब"),
        ("দিন", "দান"),
        ("ไม่", "ไม้"),
        ("கல்", "கால்"),
        ("నది", "నాది"),
        ("മരം", "മാരം"),
        ("ಮನೆ", "ಮಾನೆ"),
        ("દિવસ", "દાવસ"),
        ("ਦਿਨ", "ਦਾਨ"),
        ("මල", "මාල"),
    ] {
        assert!(finds(word, word), "{word}");
        assert!(!finds(word, other), "{word} in {other}");
        assert!(!finds(other, word), "{other} in {word}");
    }
}

#[test]
fn scripts_without_spaces_are_segmented() {
    for (word, text) in [
        ("東京", "東京は日本の首都です"),
        ("日本", "東京は日本の首都です"),
        ("首都", "東京は日本の首都です"),
        ("ภาษา", "ภาษาไทยง่าย"),
        ("ไทย", "ภาษาไทยง่าย"),
        ("北京", "我住在北京"),
        ("图书馆", "我在图书馆看书"),
        ("コーヒー", "私はコーヒーを飲みます"),
        ("ພາສາ", "ພາສາລາວ"),
        ("កម្ពុជា", "ខ្ញុំស្រឡាញ់ប្រទេសកម្ពុជា"),
        ("မြန်မာ", "မြန်မာစာ"),
    ] {
        assert!(finds(word, text), "{word} in {text}: {}", terms(text));
    }
    assert!(
        !finds("京都", "東京都に住んでいます"),
        "{}",
        terms("東京都に住んでいます")
    );
}

#[test]
fn compatibility_characters_are_normalized() {
    assert_eq!(terms("①② Ⅷ 〇 ½ ｶﾌｪ ﬁne"), "12 viii 〇 1 2 カフェ fine");
    assert_eq!(terms("ﷺ"), "صلى الله عليه وسلم");
}

#[test]
fn case_is_folded_in_the_whole_of_unicode() {
    assert!(finds("Α.Σ. ΡΟΔΟΣ", "α.ς. Ρόδος οδος Α.Σ. ΡΟΔΟΣ"));
    assert!(finds("straße", "STRASSE"));
    assert!(finds("οδος", "ΟΔΟΣ"));
    assert!(finds("წიგნი", "ᲬᲘᲒᲜᲘ"));
}

#[test]
fn very_long_words_are_distinguished_by_their_beginnings() {
    let long = "x".repeat(3_000);
    assert_eq!(terms(&long).len(), 200);
    assert!(finds(&long, &format!("a {long} b")));
    assert_eq!(terms(&"é".repeat(3_000)).chars().count(), 401);
}

#[test]
fn every_letter_mark_and_number_is_found_by_itself() {
    let analyzer = Analyzer::new();
    let mut lost = Vec::new();
    for c in '\0'..=char::MAX {
        let text = c.to_string();
        for word in analyzer.words(&text) {
            assert_eq!(word.range, 0..text.len());
            for term in [Some(&word.term), word.accented.as_ref()]
                .into_iter()
                .flatten()
            {
                let count = term.chars().count();
                assert!((1..=200).contains(&count), "{text:?}");
                assert!(
                    !term.contains(|c: char| c.is_whitespace() || c == '\0'),
                    "{text:?}"
                );
            }
        }
        if c.is_alphanumeric() && analyzer.words(&text).next().is_none() {
            lost.push(text);
        }
    }
    // Circled letters are symbols.
    lost.retain(|text| !('Ⓐ'..='ⓩ').contains(&text.chars().next().unwrap_or_default()));
    lost.retain(|text| {
        !('\u{1f130}'..='\u{1f189}').contains(&text.chars().next().unwrap_or_default())
    });
    assert_eq!(lost, [""; 0]);
}

proptest! {
    #[test]
    fn words_stand_in_order_and_are_the_same_by_themselves(text in "[a-zé ]{0,40}|\\PC{0,40}") {
        let analyzer = Analyzer::new();
        let mut end = 0;
        for word in analyzer.words(&text) {
            prop_assert!(word.range.start >= end || word.range.end == end);
            end = word.range.end;
            prop_assert!(text.get(word.range).is_some());
        }
    }

    #[test]
    fn terms_are_those_of_the_words(text in "([a-zA-Z]{1,9}(s|ing|ed)?|東京|é|ﷺ|[0-9 .]){0,60}|\\PC{0,60}", most in 0_usize..90) {
        let analyzer = Analyzer::new();
        let words = analyzer.words(&text).map(|word| (word.term, word.accented));
        let expected: Vec<_> = words.collect();
        let mut terms = Vec::new();
        let is_all = analyzer.each_term(&text, |term, accented| {
            let has_room = terms.len() < most;
            if has_room {
                terms.push((term.to_owned(), accented.map(str::to_owned)));
            }
            has_room
        });
        prop_assert_eq!(is_all, expected.len() <= most);
        prop_assert_eq!(&terms, &expected[..expected.len().min(most)]);
    }

    #[test]
    fn an_excerpt_is_a_part_with_its_matches_at_words(text in "([a-z]{1,9}|東京|é|[ .,]){0,90}", length in 10_usize..60) {
        let analyzer = Analyzer::new();
        let phrases: Vec<_> = analyzer.words(&text).step_by(7).map(|word| vec![word.into()]).collect();
        let excerpt = analyzer.excerpt(&text, &Phrases::new(phrases), length);
        prop_assert!(text.contains(excerpt.text));
        prop_assert!(excerpt.text.chars().count() <= length);
        let count = excerpt.text.chars().count();
        let mut end = 0;
        for range in &excerpt.matches {
            prop_assert!(range.start >= end && range.end > range.start && range.end <= count);
            end = range.end;
        }
    }
}
