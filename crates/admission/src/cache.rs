//! Caches with a limit in bytes.

use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// Enough shards that threads seldom wait for each other, and few enough that large values fit into one.
const SHARDS: usize = 4;

/// A cache of at most this many bytes, as `weighter` counts them. A value larger than a fair share of the cache is not
/// kept. `ordinary` is the approximate size of a typical value.
pub(crate) fn bounded<Key, Value, By>(
    bytes: u64,
    ordinary: u64,
    weighter: By,
) -> Cache<Key, Value, By>
where
    Key: Eq + Hash,
    Value: Clone,
    By: Weighter<Key, Value> + Clone,
{
    let items = usize::try_from(bytes / ordinary).unwrap_or(usize::MAX);
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
