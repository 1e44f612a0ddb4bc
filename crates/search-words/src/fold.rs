//! Converts a word to the terms that it is found by.

use std::borrow::Cow;

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Removes the differences between spellings of a word.
#[derive(Debug)]
pub(crate) struct Folding {
    nfc: ComposingNormalizerBorrowed<'static>,
    nfkc: ComposingNormalizerBorrowed<'static>,
    nfd: DecomposingNormalizerBorrowed<'static>,
    case: CaseMapperBorrowed<'static>,
}

impl Folding {
    pub(crate) fn new() -> Self {
        Self {
            nfc: ComposingNormalizerBorrowed::new_nfc(),
            nfkc: ComposingNormalizerBorrowed::new_nfkc(),
            nfd: DecomposingNormalizerBorrowed::new_nfd(),
            case: CaseMapper::new(),
        }
    }

    /// The canonical composition (NFC).
    pub(crate) fn composed<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.nfc.normalize(text)
    }

    /// Compatibility-composed and case-folded (like Unicode's `toNFKC_Casefold`, but without removing ignorable
    /// characters, which the later segmentation needs). Folding may leave characters that compose, so it composes
    /// again.
    pub(crate) fn folded(&self, word: &str) -> String {
        let folded = self
            .case
            .fold_string(&self.nfkc.normalize(word))
            .into_owned();
        match self.nfkc.normalize(&folded) {
            Cow::Borrowed(_) => folded,
            Cow::Owned(composed) => composed,
        }
    }

    /// The folded word without accents; `None` where it has none.
    pub(crate) fn without_accents(&self, folded: &str) -> Option<String> {
        let mut bare = String::with_capacity(folded.len());
        let mut has_accents = false;
        // и and й are different letters, and the only difference between some common words.
        let mut before = '\0';
        for c in self.nfd.normalize_iter(folded.chars()) {
            let is_letter_of_its_own = before == 'и' && c == '\u{306}';
            match letter_without_stroke(c) {
                Some(letters) => {
                    has_accents = true;
                    bare.push_str(letters);
                }
                None if is_accent(c) && !is_letter_of_its_own => has_accents = true,
                None => bare.push(c),
            }
            before = c;
        }
        // A mark that stands alone is the whole word.
        (has_accents && !bare.is_empty()).then(|| self.nfc.normalize(&bare).into_owned())
    }
}

/// Whether it is a mark that people omit when they search: a diacritic of the European scripts, an Arabic vowel sign or
/// hamza above a letter, a Hebrew point. The vowel signs of Indic scripts and the sound marks of Kana make different
/// words.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{487}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{8d3}'..='\u{8e1}' | '\u{8e3}'..='\u{8ff}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Letters with a stroke, and ligatures, that Unicode does not decompose, as people without them on the keyboard type
/// them.
fn letter_without_stroke(c: char) -> Option<&'static str> {
    Some(match c {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ŧ' => "t",
        'ı' => "i",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}
