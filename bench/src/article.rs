//! The articles of the benchmark, each generated from its number: the same on every machine and in every run.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The prefix of the number in the slug of a loaded article; pgbench uses it too.
pub const SLUG_PREFIX: &str = "an-article-of-the-benchmark-";
/// When article 0 was created, in microseconds since 1970: 2020-01-01 00:00:00.123456 UTC.
pub const FIRST_CREATED_AT: i64 = 1_577_836_800_123_456;
/// The time between two articles.
pub const MINUTE: i64 = 60_000_000;
/// The approximate length of a text, in bytes.
const TEXT_BYTES: usize = 1000;

const WORDS: &str = "the of and a to in is was that for on with as by at from it an were are which this also be \
    has had one its after first been who two their not but more when out time new world city house paper press \
    morning evening river harbour letter printer reader editor column headline margin theatre council budget \
    railway station bridge market winter summer garden school teacher student weather storm island captain \
    voyage journey mountain valley village farmer harvest kitchen recipe bread butter music concert singer \
    orchestra gallery painter portrait history century empire kingdom parliament election minister speech \
    question answer reason science engine machine factory worker union strike electric telephone wireless \
    quickly slowly carefully rarely often always printed published written carried opened closed measured \
    counted divided gathered promised remembered forgotten discovered described explained bright quiet narrow \
    broad ancient modern distant familiar ordinary remarkable";

/// One article, as it is loaded or created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    pub id: Uuid,
    pub title: String,
    pub slug: String,
    pub text: String,
    /// In microseconds since 1970.
    pub created_at: i64,
}

impl Article {
    /// The loaded article with this number.
    pub fn loaded(number: u32) -> Self {
        let mut random = Random::new(u64::from(number));
        let created_at = FIRST_CREATED_AT + i64::from(number) * MINUTE;
        let milliseconds = u64::try_from(created_at / 1000).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &random.bytes());
        Self {
            id: id.into_uuid(),
            title: title(&mut random),
            slug: loaded_slug(number),
            text: text(&mut random),
            created_at,
        }
    }

    /// The time of its creation.
    pub fn created(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.created_at).unwrap_or_default()
    }
}

/// The slug of a loaded article.
pub fn loaded_slug(number: u32) -> String {
    format!("{SLUG_PREFIX}{number}")
}

/// Four words, as titles have them.
pub fn title(random: &mut Random) -> String {
    let words = [(); 4].map(|()| word(random));
    let mut title = words.join(" ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// Sentences of about 1 kB.
pub fn text(random: &mut Random) -> String {
    let mut text = String::with_capacity(TEXT_BYTES + 32);
    while text.len() < TEXT_BYTES {
        for place in 0..8 + random.below(8) {
            if place > 0 {
                text.push(' ');
            }
            text.push_str(word(random));
        }
        text.push_str(". ");
    }
    text.pop();
    text
}

fn word(random: &mut Random) -> &'static str {
    static LIST: std::sync::LazyLock<Vec<&str>> =
        std::sync::LazyLock::new(|| WORDS.split_whitespace().collect());
    let count = u32::try_from(LIST.len()).unwrap_or(u32::MAX);
    LIST.get(random.below(count) as usize).unwrap_or(&"word")
}

/// SplitMix64: small, quick and the same everywhere.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Begins a sequence; those of different seeds are independent.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// The next number of the sequence.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number less than `bound`, which is not 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let high = self.number() >> 32;
        u32::try_from((high * u64::from(bound)) >> 32).unwrap_or_default()
    }

    fn bytes(&mut self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.number().to_le_bytes());
        bytes[8..].copy_from_slice(&self.number().to_le_bytes()[..2]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_article_is_the_same_each_time_and_unlike_the_next() {
        let article = Article::loaded(7);
        assert_eq!(article, Article::loaded(7));
        assert_ne!(article.text, Article::loaded(8).text);
        assert_eq!(article.slug, "an-article-of-the-benchmark-7");
        assert_eq!(
            article.created().to_rfc3339(),
            "2020-01-01T00:07:00.123456+00:00"
        );
        assert_eq!(article.id.get_version_num(), 7);
    }

    #[test]
    fn texts_are_about_a_kilobyte_and_titles_short_enough() {
        for number in 0..1000 {
            let article = Article::loaded(number);
            assert!((999..1180).contains(&article.text.len()));
            assert!((4..=65).contains(&article.title.len()));
        }
    }
}
