//! Generates articles for a demonstration, from a few sentences. The same number always gives the same article.

use crate::article::{NewArticle, Slug, Text, Title};
use crate::clock::Timestamp;
use crate::error::Violation;

/// The subject of an article: its name, and related words.
const SUBJECTS: [(&str, [&str; 4]); 12] = [
    (
        "letterpress",
        ["ink", "type cases", "the platen", "a proof"],
    ),
    (
        "the tides",
        ["the moon", "a harbour wall", "the gauge", "spring tides"],
    ),
    (
        "sourdough",
        ["flour", "the starter", "a hot oven", "the crust"],
    ),
    (
        "night trains",
        [
            "the sleeping car",
            "a border station",
            "the timetable",
            "coffee at dawn",
        ],
    ),
    (
        "old maps",
        ["coastlines", "the legend", "a surveyor", "blank spaces"],
    ),
    ("bees", ["the hive", "clover", "a cold spring", "honey"]),
    (
        "city trees",
        ["roots", "the pavement", "shade", "a summer drought"],
    ),
    (
        "public libraries",
        [
            "the reading room",
            "a card catalogue",
            "opening hours",
            "borrowed novels",
        ],
    ),
    (
        "lighthouses",
        ["the lamp", "fog", "the keeper's log", "a reef"],
    ),
    (
        "bicycles",
        ["the chain", "a headwind", "gravel roads", "the repair shop"],
    ),
    (
        "radio",
        ["short waves", "a valve", "the evening programme", "static"],
    ),
    (
        "gardens in winter",
        ["frost", "bare hedges", "seed catalogues", "a robin"],
    ),
];

const TITLES: [&str; 8] = [
    "What {} taught us",
    "A short history of {}",
    "Ten questions about {}",
    "{}, seen from below",
    "Notes on {}",
    "The quiet return of {}",
    "Why {} still matter",
    "A week with {}",
];

const SENTENCES: [&str; 14] = [
    "Nobody who has spent a morning with {a} forgets {b}.",
    "It begins, as it often does, with {a}.",
    "The people we met spoke of {a} as others speak of the weather.",
    "There is a rule of thumb: when {a} changes, look at {b} first.",
    "Ten years ago hardly anyone would have paid for {a}.",
    "We asked three experts about {a}, and got four answers.",
    "The numbers are modest, but {b} tells another story.",
    "Between {a} and {b} lies most of the work.",
    "Some of it is habit, some of it is luck, and the rest is {a}.",
    "On the second day it rained, and everything depended on {b}.",
    "An archive in the north keeps letters about {a} from 1893.",
    "What looks like a detail, {b}, turns out to decide the matter.",
    "For those who want to try it: start small, and leave {a} alone.",
    "In the end it is {b} that stays in the memory.",
];

/// The article with this number, dated before `now`, some hours before the next one.
pub fn article(number: u64, now: Timestamp) -> Result<NewArticle, Violation> {
    const HOURS: i128 = 3_600_000_000;
    let mut chance = Chance(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (subject, things) = chance.one_of(&SUBJECTS);
    let title = chance.one_of(&TITLES).replace("{}", subject);
    let mut text = String::new();
    for paragraph in 0..chance.between(3, 6) {
        if paragraph > 0 {
            text.push_str("\n\n");
        }
        for sentence in 0..chance.between(3, 6) {
            if sentence > 0 {
                text.push(' ');
            }
            let template = chance.one_of(&SENTENCES);
            let (a, b) = (chance.one_of(things), chance.one_of(things));
            text.push_str(&template.replace("{a}", a).replace("{b}", b));
        }
    }
    let age = i128::from(number % 10_000) * 5 * HOURS + i128::from(chance.between(0, 4)) * HOURS;
    let created_at = Timestamp::stored(now.stored_micros() - age).max(Timestamp::MIN);
    Ok(NewArticle {
        title: Title::new(capitalized(&title))?,
        slug: None::<Slug>,
        text: Text::new(text)?,
        created_at: Some(created_at),
    })
}

fn capitalized(title: &str) -> String {
    let mut characters = title.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).collect()
}

/// Pseudo-random numbers: xorshift.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number between `low` and `high`, inclusive.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + (self.next() >> 16) % (high - low + 1)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let last = all.len().saturating_sub(1) as u64;
        let index = usize::try_from(self.between(0, last)).unwrap_or_default();
        &all[index]
    }
}
