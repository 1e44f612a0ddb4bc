//! English stems, of which the words of most texts are few.

use std::sync::{Mutex, PoisonError, TryLockError};

use rust_stemmers::{Algorithm, Stemmer};

/// Stems words, and keeps the stems of some, because finding one takes longer than all else that is done to a word.
pub(crate) struct Stems {
    stemmer: Stemmer,
    shards: [Mutex<Shard>; SHARDS],
}

/// So that threads seldom meet. Who meets another thread does not wait, but stems the word.
const SHARDS: usize = 8;
/// Of each shard. With the longest words all take less than half a megabyte.
const SLOTS: usize = 512;
const MAX_KEPT_BYTES: usize = 24;

/// Each word has one slot, which the word that came last keeps. Empty until the first word comes.
type Shard = Vec<Option<(Box<str>, Box<str>)>>;

impl Stems {
    pub(crate) fn new() -> Self {
        Self {
            stemmer: Stemmer::create(Algorithm::English),
            shards: Default::default(),
        }
    }

    /// The stem of a word in lower case.
    pub(crate) fn stem(&self, word: String) -> String {
        if word.len() > MAX_KEPT_BYTES {
            return self.found(word);
        }
        let hash = hash(&word);
        let mut shard = match self.shards[hash % SHARDS].try_lock() {
            Ok(shard) => shard,
            Err(TryLockError::Poisoned(shard)) => PoisonError::into_inner(shard),
            Err(TryLockError::WouldBlock) => return self.found(word),
        };
        if shard.is_empty() {
            shard.resize(SLOTS, None);
        }
        let slot = &mut shard[hash / SHARDS % SLOTS];
        if let Some((kept, stem)) = slot
            && **kept == *word
        {
            return match stem.len() == word.len() && **stem == *word {
                true => word,
                false => stem.to_string(),
            };
        }
        let stem = self.found(word.clone());
        *slot = Some((word.into(), stem.as_str().into()));
        stem
    }

    fn found(&self, word: String) -> String {
        match self.stemmer.stem(&word) {
            std::borrow::Cow::Borrowed(same) if same.len() == word.len() => word,
            stem => stem.into_owned(),
        }
    }
}

/// FNV-1a: quick for words, and no harm is done by words that share a slot.
fn hash(word: &str) -> usize {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_stems_are_those_that_are_found() {
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
                assert_eq!(stems.stem(word.clone()), stems.found(word.clone()));
            }
        }
    }

    #[test]
    fn threads_that_meet_find_the_same_stems() {
        let stems = Stems::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        assert_eq!(stems.stem("running".to_owned()), "run");
                    }
                });
            }
        });
    }
}
