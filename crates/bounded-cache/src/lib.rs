//! Caches that are bounded in bytes, by quick_cache.
//!
//! ```
//! use bounded_cache::{Weighter, bounded};
//!
//! #[derive(Clone)]
//! struct Bytes;
//!
//! impl Weighter<String, String> for Bytes {
//!     fn weight(&self, key: &String, value: &String) -> u64 {
//!         (key.len() + value.len()) as u64
//!     }
//! }
//!
//! let pages = bounded(1_000_000, 10_000, Bytes);
//! pages.insert("/".to_owned(), "x".repeat(10_000));
//! assert!(pages.get("/").is_some());
//!
//! // More than a fair share of it.
//! pages.insert("/all".to_owned(), "x".repeat(900_000));
//! assert!(pages.get("/all").is_none());
//! assert!(pages.weight() <= 1_000_000);
//! ```

use std::hash::Hash;

use quick_cache::sync::DefaultLifecycle;
use quick_cache::{DefaultHashBuilder, OptionsBuilder};

pub use quick_cache::Weighter;
pub use quick_cache::sync::Cache;

/// Enough shards that threads seldom wait for each other, and few enough that large values fit into one.
const SHARDS: usize = 4;

/// A cache of at most `bytes`, as `weighter` counts them. A value larger than a fair share of it is not kept. `ordinary`
/// is the approximate size of an entry.
pub fn bounded<Key, Value, By>(bytes: u64, ordinary: u64, weighter: By) -> Cache<Key, Value, By>
where
    Key: Eq + Hash,
    Value: Clone,
    By: Weighter<Key, Value> + Clone,
{
    let items = usize::try_from(bytes / ordinary.max(1)).unwrap_or(usize::MAX);
    let options = OptionsBuilder::new()
        .estimated_items_capacity(items.max(SHARDS))
        .weight_capacity(bytes)
        .shards(SHARDS)
        .build();
    // `build` fails only where a capacity is missing, and both are set.
    match options {
        Err(_) => Cache::with_weighter(SHARDS, bytes, weighter),
        Ok(options) => Cache::with_options(
            options,
            weighter,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
    }
}
