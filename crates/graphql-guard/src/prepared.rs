//! Cached facts about documents and operations.

use std::collections::HashSet;
use std::hash::RandomState;
use std::sync::Arc;

use apollo_compiler::validation::Valid;
use async_graphql::parser::types::{ExecutableDocument, SelectionSet};
use async_graphql::{Name, Variables};

use super::complexity::Complexity;
use super::limits::value_bytes;
use super::operation::{Text, root};

/// A valid document.
pub(super) struct ParsedDocument {
    pub(super) id: u64,
    /// The SHA-256 of its text.
    pub(super) sha256: [u8; 32],
    pub(super) document: Valid<apollo_compiler::ExecutableDocument>,
    /// The variables that `@skip` and `@include` use, for each operation.
    pub(super) conditions: Vec<HashSet<String>>,
    /// Estimated size in memory, its text included once.
    pub(super) bytes: u64,
}

/// An operation, normalized for one shape of variables.
#[derive(Debug)]
pub(super) struct NormalizedOperation {
    pub(super) document: Arc<ExecutableDocument>,
    pub(super) outline: ExecutableDocument,
    pub(super) text: Text,
    /// The guard's own.
    pub(super) hashes: RandomState,
    pub(super) complexity: Complexity,
    /// Whether the root has an introspection field.
    pub(super) introspects: bool,
    /// The variables that are used more than once, and how many times more.
    pub(super) repeated: Vec<(Name, u64)>,
    /// Estimated size in memory.
    pub(super) bytes: u64,
}

impl NormalizedOperation {
    pub(super) fn root(&self) -> &SelectionSet {
        root(&self.document)
    }

    /// The bytes of the engine's copies of variables that are used more than once.
    pub(super) fn repeated_bytes(&self, variables: &Variables) -> u64 {
        let copies = self.repeated.iter().filter_map(|(name, times)| {
            let value = variables.get(name)?;
            Some(value_bytes(value).saturating_mul(*times))
        });
        copies.fold(0, u64::saturating_add)
    }
}

/// The memory of a token in the syntax tree, in bytes: 101 were measured for a list of 80 aliased fields, rounded up.
const BYTES_PER_TOKEN: u64 = 120;

pub(super) fn parsed_bytes(query: &str, tokens: usize) -> u64 {
    query.len() as u64 + tokens as u64 * BYTES_PER_TOKEN
}

/// The memory per byte of a normalized operation's text in its two trees, in bytes: 31 were measured for the same list.
const BYTES_PER_CHARACTER: u64 = 64;

pub(super) fn normalized_bytes(text: &str) -> u64 {
    text.len() as u64 * BYTES_PER_CHARACTER
}
