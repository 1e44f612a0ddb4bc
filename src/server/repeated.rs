//! Requests that come again and again, byte by byte the same: what their bodies say is worked out once.
//!
//! Front ends ask for the same page of the same list all day. To read the JSON of such a request, to find its document
//! and to coerce its variables takes longer than all else that is done for one that shares an execution.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::document::Operation;

/// How many of the bodies that came last are remembered by their hashes.
const PLACES: usize = 1024;

/// What an entry takes in memory besides the body and the operation.
const OVERHEAD: u64 = 512;

/// About what an entry takes, by which the cache makes room for its index.
const ORDINARY: u64 = 16 * 1024;

/// Operations by the bodies that asked for them, bounded in bytes.
pub(super) struct RepeatedRequests {
    operations: Cache<Box<[u8]>, Arc<Operation>, Bytes>,
    /// The hash of the body that came last of all that fall on a place.
    last: Box<[AtomicU64]>,
    hashes: RandomState,
}

impl RepeatedRequests {
    pub(super) fn new(bytes: usize) -> Self {
        let bytes = bytes as u64;
        let items = usize::try_from(bytes / ORDINARY).unwrap_or(usize::MAX);
        Self {
            operations: Cache::with_weighter(items, bytes, Bytes),
            last: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hashes: RandomState::default(),
        }
    }

    /// What the body asks for, where that is known.
    pub(super) fn get(&self, body: &[u8]) -> Option<Arc<Operation>> {
        self.operations.get(body)
    }

    /// Keeps what the body asks for, if it comes for the second time. Most bodies come once, and would push out those
    /// that do not.
    ///
    /// The operation must follow from the body alone.
    pub(super) fn offer(&self, body: &[u8], operation: &Arc<Operation>) {
        let hash = self.hashes.hash_one(body);
        let place = usize::try_from(hash % PLACES as u64).unwrap_or_default();
        let Some(last) = self.last.get(place) else {
            return;
        };
        if last.swap(hash, Ordering::Relaxed) == hash {
            self.operations.insert(body.into(), Arc::clone(operation));
        }
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<[u8]>, Arc<Operation>> for Bytes {
    fn weight(&self, body: &Box<[u8]>, operation: &Arc<Operation>) -> u64 {
        // The values of the variables stand in the body too.
        OVERHEAD + 2 * body.len() as u64 + operation.bytes()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::document::{Documents, Limits};

    const BODY: &[u8] = br#"{"query":"{ a }"}"#;

    fn operation() -> Arc<Operation> {
        let documents = Documents::new("type Query { a: Int }", Limits::default()).unwrap();
        let operation = documents.prepare("{ a }", None, &Map::new());
        Arc::new(operation.unwrap())
    }

    #[test]
    fn a_body_is_kept_when_it_comes_for_the_second_time() {
        let (requests, operation) = (RepeatedRequests::new(1 << 20), operation());
        requests.offer(BODY, &operation);
        assert!(requests.get(BODY).is_none());
        requests.offer(BODY, &operation);
        let kept = requests.get(BODY);
        assert!(kept.is_some_and(|kept| Arc::ptr_eq(&kept, &operation)));
        assert!(requests.get(b"{}").is_none());
    }

    #[test]
    fn no_more_bytes_are_kept_than_are_allowed() {
        let (requests, operation) = (RepeatedRequests::new(1 << 20), operation());
        for number in 0..10_000 {
            let body = format!("{number:0500}");
            for _ in 0..2 {
                requests.offer(body.as_bytes(), &operation);
            }
        }
        let kept = requests.operations.weight();
        assert!((1 << 19..=1 << 20).contains(&kept), "{kept}");
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let (requests, operation) = (RepeatedRequests::new(0), operation());
        for _ in 0..3 {
            requests.offer(BODY, &operation);
        }
        assert!(requests.get(BODY).is_none());
    }
}
