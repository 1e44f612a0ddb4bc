//! Keeps what has been worked out about documents, bounded in bytes.
//!
//! Both halves are keyed by everything that they depend on, so that nothing in them ever goes stale.

use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::variable_shape::Given;
use super::{Form, Parsed};

/// What an operation takes in memory besides its syntax tree.
const OVERHEAD: u64 = 512;

/// About what a document of ordinary size takes.
const ORDINARY: u64 = 8 * 1024;

/// Documents by their text, and the plain forms of their operations.
pub(super) struct Documents {
    parsed: Cache<Arc<str>, Arc<Parsed>, Bytes>,
    forms: Cache<FormKey, Arc<Form>, Bytes>,
}

/// A plain form: which document, which of its operations, with which shape of variables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FormKey {
    pub(super) document: u64,
    pub(super) operation: usize,
    pub(super) given: Box<[Given]>,
}

impl Documents {
    pub(super) fn new(bytes: usize) -> Self {
        let half = bytes as u64 / 2;
        Self {
            parsed: bounded(half, ORDINARY, Bytes),
            forms: bounded(half, ORDINARY, Bytes),
        }
    }

    pub(super) fn parsed(&self, source: &str) -> Option<Arc<Parsed>> {
        self.parsed.get(source)
    }

    pub(super) fn keep_parsed(&self, source: &str, parsed: Arc<Parsed>) {
        self.parsed.insert(source.into(), parsed);
    }

    pub(super) fn form(&self, key: &FormKey) -> Option<Arc<Form>> {
        self.forms.get(key)
    }

    pub(super) fn keep_form(&self, key: FormKey, form: Arc<Form>) {
        self.forms.insert(key, form);
    }

    /// How many bytes are kept, as estimated.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.parsed.weight() + self.forms.weight()
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Arc<str>, Arc<Parsed>> for Bytes {
    fn weight(&self, source: &Arc<str>, parsed: &Arc<Parsed>) -> u64 {
        OVERHEAD + source.len() as u64 + parsed.bytes
    }
}

impl Weighter<FormKey, Arc<Form>> for Bytes {
    fn weight(&self, key: &FormKey, form: &Arc<Form>) -> u64 {
        OVERHEAD + key.given.len() as u64 + form.bytes
    }
}

/// Enough that threads seldom wait for each other, few enough that large values find room.
const SHARDS: usize = 4;

/// A cache of so many bytes, as `weighter` counts them. What would fill more than a fair part of it by itself is not
/// kept. `ordinary` is about what a value takes.
fn bounded<Key, Value, By>(bytes: u64, ordinary: u64, weighter: By) -> Cache<Key, Value, By>
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
