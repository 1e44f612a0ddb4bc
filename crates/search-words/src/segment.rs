//! Finds the boundaries of words.

use std::ops::Range;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};
use icu_segmenter::WordSegmenterBorrowed;
use icu_segmenter::options::WordBreakInvariantOptions;

/// Splits texts into runs of word characters, and runs of scripts without spaces into words.
#[derive(Debug)]
pub(crate) struct Segmenter {
    categories: icu_properties::CodePointMapDataBorrowed<'static, GeneralCategory>,
    dictionary: WordSegmenterBorrowed<'static>,
    decompose: DecomposingNormalizerBorrowed<'static>,
}

/// The role of a character in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A letter, a mark or a number.
    Word,
    /// Invisible, such as a soft hyphen or a joiner: neither part of a word nor a boundary.
    Ignored,
    /// Anything else.
    Separator,
}

impl Segmenter {
    pub(crate) fn new() -> Self {
        Self {
            categories: CodePointMapData::<GeneralCategory>::new(),
            dictionary: icu_segmenter::WordSegmenter::new_dictionary(
                WordBreakInvariantOptions::default(),
            ),
            decompose: DecomposingNormalizerBorrowed::new_nfd(),
        }
    }

    pub(crate) fn class(&self, c: char) -> Class {
        if let Ok(byte) = u8::try_from(c)
            && byte.is_ascii()
        {
            return class_of_ascii(byte);
        }
        let category = self.categories.get(c);
        if GeneralCategoryGroup::Letter.contains(category)
            || GeneralCategoryGroup::Mark.contains(category)
            || GeneralCategoryGroup::Number.contains(category)
        {
            Class::Word
        } else if category == GeneralCategory::Format {
            Class::Ignored
        } else {
            Class::Separator
        }
    }

    /// The next run of word characters at or after the byte `from`, without ignored ones at its ends.
    pub(crate) fn next_run(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let start = self.skip(text, from, |class| class != Class::Word);
        let mut end = start;
        loop {
            end = self.skip(text, end, |class| class == Class::Word);
            let after_ignored = self.skip(text, end, |class| class == Class::Ignored);
            let goes_on = after_ignored > end
                && text[after_ignored..]
                    .chars()
                    .next()
                    .is_some_and(|c| self.class(c) == Class::Word);
            match goes_on {
                true => end = after_ignored,
                false => break,
            }
        }
        (start < end).then_some(start..end)
    }

    /// The offset of the first character at or after `from` that is not skipped. ASCII bytes are not decoded, because
    /// most of most texts is ASCII.
    fn skip(&self, text: &str, from: usize, is_skipped: impl Fn(Class) -> bool) -> usize {
        let bytes = text.as_bytes();
        let mut at = from;
        while let Some(&byte) = bytes.get(at) {
            if byte.is_ascii() {
                match is_skipped(class_of_ascii(byte)) {
                    true => at += 1,
                    false => break,
                }
            } else {
                match text[at..].chars().next() {
                    Some(c) if is_skipped(self.class(c)) => at += c.len_utf8(),
                    _ => break,
                }
            }
        }
        at
    }

    /// The words of a run in NFC; one, unless its script has no spaces.
    pub(crate) fn words<'r>(&self, run: &'r str) -> impl Iterator<Item = Range<usize>> + use<'r> {
        let has_no_spaces = run.chars().any(has_no_spaces);
        let whole = (!has_no_spaces).then_some(0..run.len());
        let segmented = has_no_spaces.then(|| {
            let mut start = 0;
            self.dictionary.segment_str(run).filter_map(move |end| {
                let word = start..end;
                start = end;
                (!word.is_empty()).then_some(word)
            })
        });
        whole.into_iter().chain(segmented.into_iter().flatten())
    }

    /// The offset in `original` that corresponds to `offset` in its canonical composition `composed`.
    ///
    /// Both decompose into the same number of characters up to there.
    pub(crate) fn original_offset(&self, original: &str, composed: &str, offset: usize) -> usize {
        let decomposed = |c: char| self.decompose.normalize_iter(std::iter::once(c)).count();
        let wanted: usize = composed[..offset].chars().map(decomposed).sum();
        let mut count = 0;
        for (index, c) in original.char_indices() {
            if count >= wanted {
                return index;
            }
            count += decomposed(c);
        }
        original.len()
    }
}

fn class_of_ascii(byte: u8) -> Class {
    match byte.is_ascii_alphanumeric() {
        true => Class::Word,
        false => Class::Separator,
    }
}

/// Whether the character belongs to a script that is written without spaces between words.
fn has_no_spaces(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Myanmar
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{1950}'..='\u{19df}' // Tai Le, New Tai Lue
        | '\u{1a20}'..='\u{1aaf}' // Tai Tham
        | '\u{2e80}'..='\u{312f}' // Han radicals, Hiragana, Katakana, Bopomofo
        | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{a9e0}'..='\u{a9ff}' // Myanmar Extended-B
        | '\u{aa60}'..='\u{aadf}' // Myanmar Extended-A, Tai Viet
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}' // halfwidth Katakana
        | '\u{11700}'..='\u{1174f}' // Ahom
        | '\u{1aff0}'..='\u{1b16f}' // Kana Extended and Supplement
        | '\u{20000}'..='\u{3ffff}')
}
