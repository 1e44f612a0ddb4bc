//! Recent estimates of how many articles a search finds.
//!
//! Clients repeat a search: for its next page, or because many users search for the same. An estimate costs about as much
//! as finding a rare word, and a few seconds later it is still as good: it only chooses between plans.

use std::time::{Duration, Instant};

use bounded_cache::{Cache, Weighter, bounded};

use super::searched::Estimate;
use crate::article::search::{Search, Term};

/// The maximum age of an estimate.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The maximum memory, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The memory of an entry besides its words, and that of a word besides its text.
const ENTRY_BYTES: usize = 256;
const TERM_BYTES: usize = 64;

/// By search, and whether the articles are examined that were stored last.
pub(super) struct Estimates(Cache<(Search, bool), (Instant, Estimate), Bytes>);

impl Default for Estimates {
    fn default() -> Self {
        Self(bounded(MAX_BYTES, ENTRY_BYTES as u64, Bytes))
    }
}

impl Estimates {
    pub(super) fn get(&self, key: &(Search, bool)) -> Option<Estimate> {
        let (estimated_at, estimate) = self.0.get(key)?;
        (estimated_at.elapsed() < MAX_AGE).then_some(estimate)
    }

    pub(super) fn insert(&self, key: (Search, bool), estimate: Estimate) {
        self.0.insert(key, (Instant::now(), estimate));
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<(Search, bool), (Instant, Estimate)> for Bytes {
    fn weight(&self, (search, _): &(Search, bool), _: &(Instant, Estimate)) -> u64 {
        let terms = search.alternatives.iter().flat_map(|alternative| {
            let phrases = alternative.with.iter().chain(&alternative.without);
            phrases.flat_map(|phrase| &phrase.0)
        });
        let bytes = |term: &Term| {
            TERM_BYTES + term.term.len() + term.accented.as_ref().map_or(0, String::len)
        };
        (ENTRY_BYTES + terms.map(bytes).sum::<usize>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::article::Filter;
    use crate::store::searched::Costs;

    fn key(search: &str) -> (Search, bool) {
        match Search::parse(search) {
            Some(Filter::Search(search)) => (search, true),
            _ => panic!("{search} has no words"),
        }
    }

    #[test]
    fn more_searches_than_fit_leave_the_memory_bounded() {
        let estimates = Estimates::default();
        let estimate = Estimate {
            articles: 1,
            matches: 1,
            costs: Costs {
                find: 1,
                sort: 1,
                test: 1,
                compare: None,
            },
        };
        for number in 0..20_000 {
            estimates.insert(key(&format!("word{number}")), estimate);
        }
        assert!(estimates.get(&key("word19999")).is_some());
        assert!(estimates.0.weight() <= MAX_BYTES);
        // More than a fair share of it.
        let long = key(&"word ".repeat(100_000));
        estimates.insert(long.clone(), estimate);
        assert!(estimates.get(&long).is_none());
    }
}
