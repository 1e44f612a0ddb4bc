//! The words of an article as PostgreSQL stores them: a `tsvector` that the server sends ready-made.
//!
//! A `tsvector` keeps at most 256 positions per word, and none above 16,383. For an article that has more,
//! `article.search` has its words and the positions that fit; phrases are also searched for in the parts of its text in
//! `article_search_part`, each of which keeps all positions.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};

use crate::article::search::{CLOSE, MAX_PHRASE_WORDS};
use crate::article::words::ArticleWords;

/// `tsvector`
#[derive(Debug, Clone, Copy, diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 3614, array_oid = 3643))]
pub(in crate::store) struct TsVector;

/// The maximum number of positions per word, and the maximum position, that a `tsvector` keeps.
const MAX_PLACES: usize = 256;
const LAST_PLACE: usize = 16_383;

/// The prefix of terms with accents, which have no position. No other term has it.
pub(super) const ACCENTED: char = '=';

/// The weights of words in the title and in the text, as the highest bits of a position.
const TITLE: u16 = 3 << 14;
const TEXT: u16 = 2 << 14;

/// A `tsvector` in binary format.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub(in crate::store) struct Vector(Arc<[u8]>);

/// The words of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Words {
    pub(in crate::store) vector: Vector,
    /// Overlapping parts of the text, where not all positions fit into the vector.
    pub(in crate::store) parts: Vec<Vector>,
}

impl Vector {
    pub(in crate::store) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Words {
    pub(in crate::store) fn of(title: &str, text: &str) -> Self {
        let words = ArticleWords::of(title, text);
        let mut places = Places::default();
        places.add(&words.title, 1, TITLE);
        // A gap, so that no words of the title are adjacent to those of the text, or close to them.
        places.add(&words.text, words.title.len() + 1 + CLOSE, TEXT);
        let accented: Vec<String> = words
            .accented
            .iter()
            .map(|term| format!("{ACCENTED}{term}"))
            .collect();
        for term in &accented {
            places.terms.insert(term, Vec::new());
        }
        let parts = match places.has_all {
            true => Vec::new(),
            false => parts(&words.text),
        };
        Self {
            vector: places.vector(),
            parts,
        }
    }
}

/// Terms and their positions.
struct Places<'w> {
    /// In PostgreSQL's order, which compares bytes.
    terms: BTreeMap<&'w str, Vec<u16>>,
    /// Whether all positions fit.
    has_all: bool,
}

impl Default for Places<'_> {
    fn default() -> Self {
        Self {
            terms: BTreeMap::new(),
            has_all: true,
        }
    }
}

impl<'w> Places<'w> {
    fn add(&mut self, words: &'w [String], first: usize, weight: u16) {
        for (word, place) in words.iter().zip(first..) {
            let places = self.terms.entry(word).or_default();
            match u16::try_from(place) {
                Ok(number) if place <= LAST_PLACE && places.len() < MAX_PLACES => {
                    places.push(weight | number);
                }
                _ => self.has_all = false,
            }
        }
    }

    fn vector(&self) -> Vector {
        let mut out = Vec::with_capacity(4 + self.terms.len() * 16);
        let count = u32::try_from(self.terms.len()).unwrap_or_default();
        out.extend_from_slice(&count.to_be_bytes());
        for (term, places) in &self.terms {
            out.extend_from_slice(term.as_bytes());
            out.push(0);
            let count = u16::try_from(places.len()).unwrap_or_default();
            out.extend_from_slice(&count.to_be_bytes());
            for place in places {
                out.extend_from_slice(&place.to_be_bytes());
            }
        }
        Vector(out.into())
    }
}

/// The parts of a text, each of which keeps all its positions; any searched phrase lies within one of them.
fn parts(words: &[String]) -> Vec<Vector> {
    let parts = part_ranges(words).into_iter().map(|range| {
        let mut places = Places::default();
        places.add(&words[range], 1, TEXT);
        places.vector()
    });
    parts.collect()
}

fn part_ranges(words: &[String]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < words.len() {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let most = words[start..].iter().take(LAST_PLACE);
        let length = most
            .take_while(|word| {
                let count = counts.entry(word).or_default();
                *count += 1;
                *count <= MAX_PLACES
            })
            .count();
        ranges.push(start..start + length);
        if start + length == words.len() {
            break;
        }
        start += length - (MAX_PHRASE_WORDS - 1);
    }
    ranges
}

impl ToSql<TsVector, Pg> for Vector {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&self.0)?;
        Ok(IsNull::No)
    }
}

impl FromSql<TsVector, Pg> for Vector {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(value.as_bytes().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phrase_of_a_long_text_stands_in_a_part_that_has_all_its_places() {
        for text in [
            "the x ".repeat(257),
            "the ".repeat(50_000),
            "a b c d e f g h ".repeat(6_000),
            (0..16_400).fold(String::new(), |text, number| {
                text + &number.to_string() + " "
            }),
        ] {
            let words = ArticleWords::of("title", &text).text;
            let ranges = part_ranges(&words);
            assert!(ranges.len() > 1);
            assert_eq!(Words::of("title", &text).parts.len(), ranges.len());
            for start in 0..=words.len() - MAX_PHRASE_WORDS {
                let end = start + MAX_PHRASE_WORDS;
                let within = |range: &Range<usize>| range.start <= start && end <= range.end;
                assert!(ranges.iter().any(within), "{start}");
            }
            for range in ranges {
                let mut places = Places::default();
                places.add(&words[range], 1, TEXT);
                assert!(places.has_all);
            }
        }
    }

    #[test]
    fn a_text_has_no_parts_as_long_as_all_places_are_kept() {
        assert_eq!(Words::of("the", &"the x ".repeat(255)).parts.len(), 0);
        assert_eq!(Words::of("title", &"the x ".repeat(256)).parts.len(), 0);
        assert_ne!(Words::of("the", &"the x ".repeat(256)).parts.len(), 0);
    }
}
