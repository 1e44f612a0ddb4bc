//! A cache for requests that are repeated byte by byte: their bodies are processed once.
//!
//! Front ends request the same page of the same list all day. Parsing such a request's JSON, finding its document and
//! coercing its variables takes longer than everything else for a request that shares an execution. Only bodies of
//! POSTs are cached; responses to GETs are left to caches in front of the server, and subscriptions are sent once.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bounded_cache::{Cache, Weighter, bounded};
use foldhash::fast::RandomState;
use graphql_guard::OperationKind;

use super::engine::PreparedOperation;

/// The number of slots for the hashes of the latest bodies.
const SLOTS: usize = 1024;

/// The memory of an entry besides the body and the operation.
const OVERHEAD: u64 = 512;

/// The approximate size of an entry.
const TYPICAL_BYTES: u64 = 16 * 1024;

/// Longer bodies seldom repeat, and are not looked up.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// Operations by the request bodies that contained them, with a limit in bytes.
pub(super) struct RepeatedRequests<O> {
    operations: Cache<Box<[u8]>, Arc<O>, Bytes>,
    /// For each slot, the hash of the latest body that maps to it.
    last: Box<[AtomicU64]>,
    hashes: RandomState,
}

impl<O: PreparedOperation> RepeatedRequests<O> {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            operations: bounded(bytes as u64, TYPICAL_BYTES, Bytes),
            last: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hashes: RandomState::default(),
        }
    }

    /// The operation of the body, if it is cached.
    pub(super) fn get(&self, body: &[u8]) -> Option<Arc<O>> {
        if body.len() > MAX_BODY_BYTES {
            return None;
        }
        self.operations.get(body)
    }

    /// Caches the operation of a body that arrives for the second time. Most bodies arrive only once, and would
    /// displace those that repeat. So would mutations, which are not cached.
    ///
    /// The operation must depend on the body alone.
    pub(super) fn cache_repeated(&self, body: &[u8], operation: &Arc<O>) {
        if body.len() > MAX_BODY_BYTES || operation.kind() != OperationKind::Query {
            return;
        }
        let hash = self.hashes.hash_one(body);
        let place = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
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

impl<O: PreparedOperation> Weighter<Box<[u8]>, Arc<O>> for Bytes {
    fn weight(&self, body: &Box<[u8]>, operation: &Arc<O>) -> u64 {
        OVERHEAD + body.len() as u64 + operation.bytes()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use graphql_guard::{Guard, Operation, Settings};

    const BODY: &[u8] = br#"{"query":"{ a }"}"#;

    fn prepare(query: &str, variables: &Map<String, Value>) -> Arc<Operation> {
        let sdl = "type Query { a(ids: [ID!]): Int } type Mutation { a: Int }";
        let guard = Guard::new(sdl, Settings::default()).unwrap();
        let operation = guard.prepare(query, None, &variables.into());
        Arc::new(operation.unwrap())
    }

    fn operation() -> Arc<Operation> {
        prepare("{ a }", &Map::new())
    }

    #[test]
    fn a_body_is_cached_on_its_second_request() {
        let (requests, operation) = (RepeatedRequests::new(1 << 20), operation());
        requests.cache_repeated(BODY, &operation);
        assert!(requests.get(BODY).is_none());
        requests.cache_repeated(BODY, &operation);
        let kept = requests.get(BODY);
        assert!(kept.is_some_and(|kept| Arc::ptr_eq(&kept, &operation)));
        assert!(requests.get(b"{}").is_none());
    }

    #[test]
    fn the_cache_stays_within_its_limit() {
        let (requests, operation) = (RepeatedRequests::new(1 << 20), operation());
        for number in 0..10_000 {
            let body = format!("{number:0500}");
            for _ in 0..2 {
                requests.cache_repeated(body.as_bytes(), &operation);
            }
        }
        let kept = requests.operations.weight();
        assert!((1 << 19..=1 << 20).contains(&kept), "{kept}");
    }

    #[test]
    fn values_count_with_their_size_in_memory() {
        let ids = vec![json!(1); 1_000];
        let variables = Map::from_iter([("ids".to_owned(), Value::Array(ids))]);
        let operation = prepare("query($ids: [ID!]) { a(ids: $ids) }", &variables);
        assert!(operation.bytes() > 72_000, "{}", operation.bytes());
    }

    #[test]
    fn mutations_and_long_bodies_are_not_cached() {
        let requests = RepeatedRequests::new(1 << 20);
        let mutation = prepare("mutation { a }", &Map::new());
        let long = vec![b' '; MAX_BODY_BYTES + 1];
        for _ in 0..3 {
            requests.cache_repeated(BODY, &mutation);
            requests.cache_repeated(&long, &operation());
        }
        assert_eq!(requests.operations.len(), 0);
    }

    #[test]
    fn a_cache_of_size_zero_stores_nothing() {
        let (requests, operation) = (RepeatedRequests::new(0), operation());
        for _ in 0..3 {
            requests.cache_repeated(BODY, &operation);
        }
        assert!(requests.get(BODY).is_none());
    }
}
