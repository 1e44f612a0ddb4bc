//! Caches parsed documents and normalized operations, bounded in bytes.
//!
//! The keys have all that the values depend on, so nothing in them ever becomes stale.

use std::sync::Arc;

use bounded_cache::{Weighter, bounded};

use super::prepared::{NormalizedOperation, ParsedDocument};
use super::variable_shape::Given;

/// The memory of an entry besides its value, in bytes.
const OVERHEAD: u64 = 512;

/// The memory of a document of typical size, in bytes.
const TYPICAL_BYTES: u64 = 8 * 1024;

/// Documents by their text, and their normalized operations.
pub(super) struct Cache {
    parsed: bounded_cache::Cache<Arc<str>, Arc<ParsedDocument>, Bytes>,
    normalized: bounded_cache::Cache<NormalizedKey, Arc<NormalizedOperation>, Bytes>,
}

/// Identifies a normalized operation: document, operation and shape of variables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct NormalizedKey {
    pub(super) document: u64,
    pub(super) operation: usize,
    pub(super) given: Box<[Given]>,
}

impl Cache {
    pub(super) fn new(bytes: usize) -> Self {
        let half = bytes as u64 / 2;
        Self {
            parsed: bounded(half, TYPICAL_BYTES, Bytes),
            normalized: bounded(half, TYPICAL_BYTES, Bytes),
        }
    }

    pub(super) fn parsed(&self, source: &str) -> Option<Arc<ParsedDocument>> {
        self.parsed.get(source)
    }

    pub(super) fn keep_parsed(&self, source: &str, parsed: Arc<ParsedDocument>) {
        self.parsed.insert(source.into(), parsed);
    }

    pub(super) fn normalized(&self, key: &NormalizedKey) -> Option<Arc<NormalizedOperation>> {
        self.normalized.get(key)
    }

    pub(super) fn keep_normalized(&self, key: NormalizedKey, normalized: Arc<NormalizedOperation>) {
        self.normalized.insert(key, normalized);
    }

    /// The estimated bytes in the cache.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.parsed.weight() + self.normalized.weight()
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Arc<str>, Arc<ParsedDocument>> for Bytes {
    fn weight(&self, source: &Arc<str>, parsed: &Arc<ParsedDocument>) -> u64 {
        OVERHEAD + source.len() as u64 + parsed.bytes
    }
}

impl Weighter<NormalizedKey, Arc<NormalizedOperation>> for Bytes {
    fn weight(&self, key: &NormalizedKey, normalized: &Arc<NormalizedOperation>) -> u64 {
        OVERHEAD + key.given.len() as u64 + normalized.bytes
    }
}
