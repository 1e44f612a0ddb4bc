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
        places.add(words.title.iter(), 1, TITLE);
        // A gap, so that no words of the title are adjacent to those of the text, or close to them.
        places.add(words.text.iter(), words.title.len() + 1 + CLOSE, TEXT);
        let accented: Vec<String> = words
            .accented
            .iter()
            .map(|term| format!("{ACCENTED}{term}"))
            .collect();
        for term in &accented {
            places.add_without_place(term);
        }
        let (vector, has_all) = places.vector();
        let parts = match has_all {
            true => Vec::new(),
            false => parts(&words.text.iter().collect::<Vec<_>>()),
        };
        Self { vector, parts }
    }
}

/// Terms and their positions.
#[derive(Default)]
struct Places<'w>(Vec<Placed<'w>>);

/// A term, by its first bytes and as a whole, in the order of PostgreSQL, which compares bytes. Then its position, which
/// is `None` where it has none, and the weight of that.
type Placed<'w> = (u64, &'w str, Option<usize>, u16);

impl<'w> Places<'w> {
    fn add(&mut self, words: impl Iterator<Item = &'w str>, first: usize, weight: u16) {
        let placed = words.zip(first..);
        self.0
            .extend(placed.map(|(word, place)| (first_bytes(word), word, Some(place), weight)));
    }

    fn add_without_place(&mut self, term: &'w str) {
        self.0.push((first_bytes(term), term, None, 0));
    }

    /// The vector, and whether all positions fit.
    fn vector(mut self) -> (Vector, bool) {
        self.0.sort_unstable();
        let terms = self.0.chunk_by(|(_, one, ..), (_, other, ..)| one == other);
        let bytes = self
            .0
            .iter()
            .map(|(_, term, ..)| term.len() + 5)
            .sum::<usize>();
        let mut out = Vec::with_capacity(4 + bytes);
        out.extend_from_slice(&[0; 4]);
        let (mut count, mut has_all) = (0_u32, true);
        for term in terms {
            count += 1;
            out.extend_from_slice(term[0].1.as_bytes());
            out.push(0);
            let kept = term
                .iter()
                .filter_map(|(.., place, weight)| Some((u16::try_from((*place)?).ok()?, weight)))
                .filter(|(place, _)| usize::from(*place) <= LAST_PLACE)
                .take(MAX_PLACES);
            let at = out.len();
            out.extend_from_slice(&[0; 2]);
            let mut places = 0_u16;
            for (place, weight) in kept {
                out.extend_from_slice(&(weight | place).to_be_bytes());
                places += 1;
            }
            out[at..at + 2].copy_from_slice(&places.to_be_bytes());
            let wanted = term.iter().filter(|(.., place, _)| place.is_some()).count();
            has_all &= usize::from(places) == wanted;
        }
        out[..4].copy_from_slice(&count.to_be_bytes());
        (Vector(out.into()), has_all)
    }
}

/// They decide the order of nearly all terms. No term has a NUL.
fn first_bytes(term: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = term.len().min(8);
    bytes[..length].copy_from_slice(&term.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

/// The parts of a text, each of which keeps all its positions; any searched phrase lies within one of them.
fn parts(words: &[&str]) -> Vec<Vector> {
    let parts = part_ranges(words).into_iter().map(|range| {
        let mut places = Places::default();
        places.add(words[range].iter().copied(), 1, TEXT);
        places.vector().0
    });
    parts.collect()
}

fn part_ranges(words: &[&str]) -> Vec<Range<usize>> {
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
    fn every_phrase_of_a_long_text_is_complete_in_some_part() {
        for text in [
            "the x ".repeat(257),
            "the ".repeat(50_000),
            "a b c d e f g h ".repeat(6_000),
            (0..16_400).fold(String::new(), |text, number| {
                text + &number.to_string() + " "
            }),
        ] {
            let words = ArticleWords::of("title", &text).text;
            let words: Vec<&str> = words.iter().collect();
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
                places.add(words[range].iter().copied(), 1, TEXT);
                assert!(places.vector().1);
            }
        }
    }

    #[test]
    fn a_text_whose_positions_all_fit_has_no_parts() {
        assert_eq!(Words::of("the", &"the x ".repeat(255)).parts.len(), 0);
        assert_eq!(Words::of("title", &"the x ".repeat(256)).parts.len(), 0);
        assert_ne!(Words::of("the", &"the x ".repeat(256)).parts.len(), 0);
    }
}
