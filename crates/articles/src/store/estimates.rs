//! Estimates of how many articles a search finds.
//!
//! Clients repeat a search: for its next page, or because many users search for the same. An estimate costs about as
//! much as finding a rare word, and a few seconds later it is still as good: it only chooses between plans.

use std::time::{Duration, Instant};

use bounded_cache::{Cache, Weighter, bounded};

use crate::article::search::{Search, Term};

/// The maximum age of an estimate.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The maximum memory, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The memory of an entry besides its words, and that of a word besides its text.
const ENTRY_BYTES: usize = 256;
const TERM_BYTES: usize = 192;

/// The estimates of the last seconds, by search.
pub(super) struct Estimates(Cache<Search, (Instant, Estimate), Bytes>);

impl Default for Estimates {
    fn default() -> Self {
        Self(bounded(MAX_BYTES, ENTRY_BYTES as u64, Bytes))
    }
}

impl Estimates {
    pub(super) fn get(&self, search: &Search) -> Option<Estimate> {
        self.get_at(Instant::now(), search)
    }

    fn get_at(&self, now: Instant, search: &Search) -> Option<Estimate> {
        let (estimated_at, estimate) = self.0.get(search)?;
        (now.saturating_duration_since(estimated_at) < MAX_AGE).then_some(estimate)
    }

    pub(super) fn insert(&self, search: &Search, estimate: Estimate) {
        self.0.insert(search.clone(), (Instant::now(), estimate));
    }
}

/// The approximate number of articles that match a search, and the cost of reading them on this database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    pub(super) articles: i64,
    pub(super) matches: i64,
    pub(super) costs: Costs,
}

/// Times in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// Finding a match in the search index.
    pub(super) find: i64,
    /// Reading its article and sorting it.
    pub(super) sort: i64,
    /// Reading the next article of a list in its order, and testing whether it matches.
    pub(super) test: i64,
    /// The same where all matches are known, if the database has
    /// [`Plan::ListAmongMatches`](super::sql::select::Plan::ListAmongMatches).
    pub(super) compare: Option<i64>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Search, (Instant, Estimate)> for Bytes {
    fn weight(&self, search: &Search, _: &(Instant, Estimate)) -> u64 {
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

    fn search(search: &str) -> Search {
        match Search::parse(search) {
            Some(Filter::Search(search)) => search,
            _ => panic!("{search} has no words"),
        }
    }

    const ESTIMATE: Estimate = Estimate {
        articles: 1,
        matches: 1,
        costs: Costs {
            find: 1,
            sort: 1,
            test: 1,
            compare: None,
        },
    };

    #[test]
    fn more_searches_than_fit_leave_the_memory_bounded() {
        let estimates = Estimates::default();
        for number in 0..20_000 {
            estimates.insert(&search(&format!("word{number}")), ESTIMATE);
        }
        assert!(estimates.get(&search("word19999")).is_some());
        assert!(estimates.0.weight() <= MAX_BYTES);
        // More than a fair share of it.
        let long = search(&"word ".repeat(100_000));
        estimates.insert(&long, ESTIMATE);
        assert!(estimates.get(&long).is_none());
    }

    #[test]
    fn an_estimate_is_made_again_after_some_seconds() {
        let estimates = Estimates::default();
        let word = search("word");
        let before = Instant::now();
        estimates.insert(&word, ESTIMATE);
        let after = Instant::now();
        let nearly = MAX_AGE.saturating_sub(Duration::from_nanos(1));
        assert!(estimates.get_at(before + nearly, &word).is_some());
        assert!(estimates.get_at(after + MAX_AGE, &word).is_none());
    }
}
