//! Automatic persisted queries: documents by their hash, within a limit in bytes.
//!
//! The least recently used ones are removed when there is no room for a new one. Clients then send the text again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::Hash;

/// The memory of a document besides its text, in bytes: its entries in both maps, and their spare capacity.
const OVERHEAD_BYTES: usize = 200;

/// Documents by hash. Shared by all requests; the lock is held only during a lookup or an insertion.
pub(super) struct Store(Mutex<State>);

struct State {
    max_bytes: usize,
    bytes: usize,
    /// Counts uses; the number of a document's last use is its key in `order`.
    uses: u64,
    documents: HashMap<Hash, Document>,
    /// From the least to the most recently used.
    order: BTreeMap<u64, Hash>,
}

struct Document {
    query: Arc<str>,
    last_use: u64,
}

impl Store {
    /// With 0 bytes it keeps nothing.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self(Mutex::new(State {
            max_bytes,
            bytes: 0,
            uses: 0,
            documents: HashMap::new(),
            order: BTreeMap::new(),
        }))
    }

    pub(super) fn get(&self, hash: &Hash) -> Option<Arc<str>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.use_again(hash)
    }

    /// Keeps a document, unless it alone exceeds the limit.
    pub(super) fn insert(&self, hash: Hash, query: Arc<str>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = size(&query);
        if bytes > kept.max_bytes || kept.use_again(&hash).is_some() {
            return;
        }
        while kept.bytes + bytes > kept.max_bytes && kept.remove_oldest() {}
        let last_use = kept.next_use();
        kept.bytes += bytes;
        kept.order.insert(last_use, hash);
        kept.documents.insert(hash, Document { query, last_use });
    }
}

impl State {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    fn use_again(&mut self, hash: &Hash) -> Option<Arc<str>> {
        let now = self.next_use();
        let document = self.documents.get_mut(hash)?;
        self.order.remove(&document.last_use);
        self.order.insert(now, *hash);
        document.last_use = now;
        Some(Arc::clone(&document.query))
    }

    fn remove_oldest(&mut self) -> bool {
        let Some((_, hash)) = self.order.pop_first() else {
            return false;
        };
        if let Some(document) = self.documents.remove(&hash) {
            self.bytes -= size(&document.query);
        }
        true
    }
}

fn size(query: &str) -> usize {
    query.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Arc<str> {
        "x".repeat(length).into()
    }

    fn kept(store: &Store) -> Vec<u8> {
        let kept = store.0.lock().unwrap();
        assert_eq!(kept.order.len(), kept.documents.len());
        let sizes = kept
            .documents
            .values()
            .map(|document| size(&document.query));
        assert_eq!(kept.bytes, sizes.sum::<usize>());
        assert!(kept.bytes <= kept.max_bytes);
        kept.order.values().map(|hash| hash[0]).collect()
    }

    #[test]
    fn the_least_recently_used_document_is_evicted() {
        let store = Store::new(3 * size(&text(100)));
        for number in 1..=3 {
            store.insert([number; 32], text(100));
        }
        assert_eq!(store.get(&[1; 32]), Some(text(100)));
        store.insert([4; 32], text(100));
        assert_eq!(kept(&store), [3, 1, 4]);
        assert_eq!(store.get(&[2; 32]), None);
        store.insert([5; 32], text(2 * size(&text(100)) - OVERHEAD_BYTES));
        assert_eq!(kept(&store), [4, 5]);
    }

    #[test]
    fn a_duplicate_document_is_not_counted_again() {
        let store = Store::new(2 * size(&text(100)));
        for number in [1, 2, 1, 1] {
            store.insert([number; 32], text(100));
        }
        assert_eq!(kept(&store), [2, 1]);
    }

    #[test]
    fn a_document_too_large_for_the_cache_evicts_nothing() {
        let store = Store::new(1_000);
        store.insert([1; 32], text(100));
        store.insert([2; 32], text(801));
        assert_eq!(kept(&store), [1]);
        store.insert([3; 32], text(800));
        assert_eq!(kept(&store), [3]);
    }

    #[test]
    fn a_cache_of_size_zero_stores_nothing() {
        let store = Store::new(0);
        store.insert([1; 32], text(0));
        assert_eq!(kept(&store), [0; 0]);
    }
}
