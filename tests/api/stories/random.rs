//! Reproducible randomness: numbers that depend on a seed only.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The random numbers of one actor of a story (SplitMix64).
pub(super) struct Chance(u64);

impl Chance {
    /// The random numbers of a whole story: from `STORY_SEED`, or different each time.
    pub(super) fn of_story() -> Self {
        let seed = std::env::var_os("STORY_SEED").map_or_else(
            || RandomState::new().hash_one(0),
            |seed| seed.to_str().unwrap().parse().unwrap(),
        );
        // The test harness shows it when the story fails.
        println!("STORY_SEED={seed}");
        Self(seed)
    }

    pub(super) fn of_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed for the random numbers of another actor.
    pub(super) fn seed(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn another(&mut self) -> Self {
        Self(self.seed())
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.seed() % end
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(super) fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.index(list.len())]
    }

    pub(super) fn millis(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}
