//! Slugs: given ones, and those generated from a title.

use std::ops::RangeInclusive;

use super::{MAX_CHARS, Title, check_short};
use crate::error::Violation;

/// 1 to 65 characters without NUL, unique among all articles, stored unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// A given slug is stored unchanged, including spaces and capitals.
    pub fn new(slug: String) -> Result<Self, Violation> {
        check_short("slug", &slug)?;
        Ok(Self(slug))
    }

    /// Lower case, transliterated to ASCII, words joined by `-`, at most 65 characters; `article` where nothing remains
    /// of the title.
    pub fn from_title(title: &Title) -> Self {
        let mut slug = slug::slugify(title.as_str());
        shorten(&mut slug, MAX_CHARS);
        if slug.is_empty() {
            "article".clone_into(&mut slug);
        }
        Self(slug)
    }

    /// The slug to try where this one and its forms below `number` are taken: `slug-2`, `slug-3`, … It is shortened to
    /// make room for the number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let number = number.to_string();
        let digits = u32::try_from(number.len()).unwrap_or(u32::MAX);
        Self(self.before_number(digits) + &number)
    }

    /// The prefixes of the numbers to try, each with its range, ascending: a longer number may leave less room.
    pub fn numbers(&self) -> Vec<(String, RangeInclusive<u32>)> {
        let mut numbers: Vec<(String, RangeInclusive<u32>)> = Vec::new();
        let mut first = 2;
        for digits in 1..=9 {
            let last = 10_u32.pow(digits) - 1;
            let prefix = self.before_number(digits);
            match numbers.last_mut() {
                Some((before, range)) if *before == prefix => *range = *range.start()..=last,
                _ => numbers.push((prefix, first..=last)),
            }
            first = last + 1;
        }
        numbers
    }

    fn before_number(&self, digits: u32) -> String {
        let room = MAX_CHARS.saturating_sub(digits as usize + 1);
        let mut slug = self.0.clone();
        shorten(&mut slug, room);
        slug.push('-');
        slug
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// Shortens an ASCII slug, and removes a `-` at its end.
fn shorten(slug: &mut String, chars: usize) {
    slug.truncate(chars);
    slug.truncate(slug.trim_end_matches('-').len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slug_of(title: &str) -> String {
        Slug::from_title(&Title::new(title.to_owned()).unwrap()).into_string()
    }

    #[test]
    fn a_slug_is_made_of_the_words_of_the_title() {
        assert_eq!(slug_of("Été à la plage"), "ete-a-la-plage");
        assert_eq!(slug_of("  C'est -- la VIE!  "), "c-est-la-vie");
        assert_eq!(slug_of("影師嗎"), "ying-shi-ma");
        assert_eq!(slug_of("😀"), "grinning");
        assert_eq!(slug_of("!!!"), "article");
    }

    #[test]
    fn a_number_fits_into_the_length_of_a_slug() {
        let slug = Slug::from_title(&Title::new("a".repeat(65)).unwrap());
        assert_eq!(slug.numbered(12).as_str(), format!("{}-12", "a".repeat(62)));
        // Transliterated, a title may be longer than a slug; it is not shortened to `…-`.
        assert_eq!(slug_of(&"影".repeat(17)), ["ying"; 13].join("-"));
    }

    #[test]
    fn a_slug_is_shortened_to_fit_its_number() {
        let numbers = |title: &str| {
            let slug = Slug::from_title(&Title::new(title.to_owned()).unwrap());
            let numbers = slug.numbers();
            for (prefix, range) in &numbers {
                for number in [*range.start(), *range.end()] {
                    let numbered = slug.numbered(number).into_string();
                    assert_eq!(numbered, format!("{prefix}{number}"));
                }
            }
            numbers
        };
        assert_eq!(numbers("a"), [("a-".to_owned(), 2..=999_999_999)]);
        // The 62nd character is a `-`.
        let title = format!("{} aa", "a".repeat(61));
        let short = format!("{}-", "a".repeat(61));
        assert_eq!(
            numbers(&title)[..2],
            [(format!("{short}a-"), 2..=9), (short, 10..=999),]
        );
    }

    proptest! {
        #[test]
        fn the_slug_of_any_title_is_valid(title in "\\PC{1,65}", number in 2u32..) {
            let slug = Slug::from_title(&Title::new(title).unwrap());
            for slug in [slug.numbered(number), slug] {
                prop_assert!(Slug::new(slug.as_str().to_owned()).is_ok());
                prop_assert!(slug.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                prop_assert!(!slug.as_str().starts_with('-') && !slug.as_str().ends_with('-') && !slug.as_str().contains("--"));
            }
        }
    }
}
