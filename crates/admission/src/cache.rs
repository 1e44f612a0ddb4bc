//! Caches that are bounded in bytes.

use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// Enough that threads seldom wait for each other, few enough that large values find room.
const SHARDS: usize = 4;

/// A cache of so many bytes, as `weighter` counts them. What would fill more than a fair part of it by itself is not
/// kept. `ordinary` is about what a value takes.
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
    // Fails only where a capacity is missing, and both are there.
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
