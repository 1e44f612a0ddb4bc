//! English stems, with a cache, because most texts have few different words.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rust_stemmers::{Algorithm, Stemmer};

/// Stems words, and caches some stems, because stemming takes longer than everything else that is done to a word.
pub(crate) struct Stems {
    stemmer: Stemmer,
    tables: [Mutex<Table>; TABLES],
}

/// Each table is used by one thread at a time. A thread that finds none free does not wait, but stems without a cache.
const TABLES: usize = 4;
/// The number of slots of each table. All tables together take less than half a megabyte.
const SLOTS: usize = 2_048;
/// Longer words are not cached.
const MAX_BYTES: usize = 24;

/// Each word maps to one slot, which holds the latest word that maps to it. The table is empty until the first word.
type Table = Vec<Slot>;

/// A word and its stem, neither of which contains NUL, padded with NULs.
#[derive(Clone, Copy, Default)]
struct Slot {
    word: [u8; MAX_BYTES],
    stem: [u8; MAX_BYTES],
}

/// The stemmer with a table of cached stems, if one was free, for the words of a text.
pub(crate) struct CachedStems<'s> {
    stemmer: &'s Stemmer,
    table: Option<MutexGuard<'s, Table>>,
}

impl Stems {
    pub(crate) fn new() -> Self {
        Self {
            stemmer: Stemmer::create(Algorithm::English),
            tables: Default::default(),
        }
    }

    /// Takes a table for as long as one thread needs it.
    pub(crate) fn cached(&self) -> CachedStems<'_> {
        let table = self.tables.iter().find_map(|table| match table.try_lock() {
            Ok(table) => Some(table),
            Err(TryLockError::Poisoned(table)) => Some(PoisonError::into_inner(table)),
            Err(TryLockError::WouldBlock) => None,
        });
        CachedStems {
            stemmer: &self.stemmer,
            table,
        }
    }

    /// The stem of a word in lower case.
    pub(crate) fn stem(&self, word: String) -> String {
        let mut stem = String::with_capacity(word.len());
        self.cached().push_stem(&word, &mut stem);
        match stem == word {
            true => word,
            false => stem,
        }
    }
}

impl CachedStems<'_> {
    /// Appends the stem of a word in lower case.
    pub(crate) fn push_stem(&mut self, word: &str, out: &mut String) {
        let (Some(table), Some(key)) = (&mut self.table, padded(word)) else {
            out.push_str(&self.stemmer.stem(word));
            return;
        };
        if table.is_empty() {
            table.resize(SLOTS, Slot::default());
        }
        let slot = &mut table[slot_of(&key)];
        if slot.word == key
            && let Some(stem) = text(&slot.stem)
        {
            out.push_str(stem);
            return;
        }
        let stem = self.stemmer.stem(word);
        if let Some(cached) = padded(&stem) {
            *slot = Slot {
                word: key,
                stem: cached,
            };
        }
        out.push_str(&stem);
    }
}

/// `None` if the word is too long.
fn padded(word: &str) -> Option<[u8; MAX_BYTES]> {
    let mut padded = [0; MAX_BYTES];
    padded
        .get_mut(..word.len())?
        .copy_from_slice(word.as_bytes());
    Some(padded)
}

fn text(padded: &[u8; MAX_BYTES]) -> Option<&str> {
    let length = padded.iter().position(|&byte| byte == 0);
    str::from_utf8(&padded[..length.unwrap_or(MAX_BYTES)]).ok()
}

/// A cheap hash: words that share a slot only replace each other.
fn slot_of(key: &[u8; MAX_BYTES]) -> usize {
    let (parts, _) = key.as_chunks::<8>();
    let hash = parts.iter().fold(0_u64, |hash, part| {
        (hash ^ u64::from_le_bytes(*part))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    });
    // The lowest bits are mixed from all of them.
    usize::try_from(hash & (SLOTS as u64 - 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_stems_equal_computed_ones() {
        let stems = Stems::new();
        let words: Vec<String> = (0..20_000_u32)
            .map(|number| {
                let ending = ["", "s", "ing", "ed", "ness", "ation"][number as usize % 6];
                format!("{}{ending}", char::from(b'a' + (number % 26) as u8))
                    .repeat(1 + number as usize % 4)
                    + &"abcdefghij"[..number as usize % 10]
            })
            .collect();
        for _ in 0..2 {
            for word in &words {
                assert_eq!(stems.stem(word.clone()), stems.stemmer.stem(word));
            }
        }
    }

    #[test]
    fn words_as_long_as_a_slot_and_longer_have_their_stems() {
        let stems = Stems::new();
        for length in 20..30 {
            let word = "aé".to_owned() + &"x".repeat(length - 6) + "ing";
            for _ in 0..2 {
                assert_eq!(stems.stem(word.clone()), word[..length - 3]);
            }
        }
    }

    #[test]
    fn concurrent_threads_get_the_same_stems() {
        let stems = Stems::new();
        std::thread::scope(|scope| {
            for _ in 0..TABLES + 2 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        assert_eq!(stems.stem("running".to_owned()), "run");
                    }
                });
            }
        });
    }

    #[test]
    fn common_words_have_slots_of_their_own() {
        let words =
            "the of and to in is was that for on with as by at from it an were are which this also";
        let slots: std::collections::HashSet<usize> = words
            .split(' ')
            .map(|word| slot_of(&padded(word).unwrap()))
            .collect();
        assert!(slots.len() > 18, "{slots:?}");
    }
}
