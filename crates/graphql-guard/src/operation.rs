//! An operation of a document: how it is selected, and what must be executed.

use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

use apollo_compiler::{ExecutableDocument, Node, executable};
use async_graphql::parser::types;
use async_graphql::{Name, Variables};
use bytes::Bytes;

use super::OperationKind;
use super::limits::value_bytes;
use super::prepared::NormalizedOperation;
use super::request_error::{Code, RequestError};

/// An operation that is ready to be executed.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Query, mutation or subscription.
    pub kind: OperationKind,
    /// The operation's name, if it has one.
    pub name: Option<String>,
    /// The coerced values, with defaults. A variable that was left out and has no default is not among them.
    pub variables: Variables,
    /// Its cost, as [`Limits::complexity`](crate::Limits::complexity) counts it.
    pub complexity: u64,
    /// The results of `__schema` and `__type` at the root, as JSON, by their response keys.
    pub introspection: Vec<(Name, Bytes)>,
    /// The SHA-256 of the document's text as it was given.
    pub document_sha256: [u8; 32],
    pub(super) normalized: Arc<NormalizedOperation>,
    pub(super) key: OnceLock<OperationKey>,
}

impl Operation {
    /// The normalized operation as text, without the values of variables. Documents that differ only in how they are
    /// written have equal texts.
    pub fn text(&self) -> &str {
        &self.normalized.text.text
    }

    /// A document with nothing but this operation, normalized. The engine accepts it with the operation's name and
    /// without.
    pub fn document(&self) -> &Arc<types::ExecutableDocument> {
        &self.normalized.document
    }

    /// The part that a server needs the engine for, if its resolvers write the JSON of
    /// [`Settings::prewritten`](crate::Settings::prewritten) types themselves: without introspection, and without the
    /// selections of fields of these types. It has no name, so a request with it must not name the operation.
    pub fn outline(&self) -> &types::ExecutableDocument {
        &self.normalized.outline
    }

    /// Whether the outline has a field. `@skip` may leave none, and introspection is not in it.
    pub fn needs_engine(&self) -> bool {
        !root(&self.normalized.outline).items.is_empty()
    }

    /// The number of fields at the root, without introspection: the number of mutations, if it is one.
    pub fn root_fields(&self) -> usize {
        fn count(selections: &types::SelectionSet) -> usize {
            let items = selections.items.iter();
            items
                .map(|selection| match &selection.node {
                    types::Selection::Field(field) => {
                        usize::from(!field.node.name.node.starts_with("__"))
                    }
                    types::Selection::InlineFragment(fragment) => {
                        count(&fragment.node.selection_set.node)
                    }
                    types::Selection::FragmentSpread(_) => 0,
                })
                .sum()
        }
        count(root(&self.normalized.outline))
    }

    /// Operations with equal keys have equal results.
    pub fn key(&self) -> &OperationKey {
        self.key.get_or_init(|| {
            // In JSON an enum value looks like a string, but with equal texts the types of the variables are equal too.
            let variables = serde_json::to_string(&self.variables);
            let variables = variables.unwrap_or_else(|_| self.variables.to_string());
            OperationKey {
                text: self.normalized.text.clone(),
                variables: Text::new(variables, &self.normalized.hashes),
            }
        })
    }

    /// An estimate of the memory that the operation takes, in bytes; much of it is shared by all operations of the same
    /// document.
    pub fn bytes(&self) -> u64 {
        let variables = self.variables.values().map(value_bytes).sum::<u64>();
        let introspection = self.introspection.iter().map(|(_, json)| json.len());
        // The key has the variables' text.
        self.normalized.bytes + 2 * variables + introspection.sum::<usize>() as u64
    }
}

/// What identifies an operation and its variables. See [`Operation::key`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperationKey {
    text: Text,
    variables: Text,
}

/// A text with its hash, which is keyed at random, so that clients cannot construct collisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    hash: u64,
    pub(super) text: Arc<str>,
}

impl Text {
    pub(super) fn new(text: String, hashes: &RandomState) -> Self {
        Self {
            hash: hashes.hash_one(&text),
            text: text.into(),
        }
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// `GetOperation` (GraphQL specification, section 6.1), with the index of the operation in the document.
pub(super) fn select_operation<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<(usize, &'a Node<executable::Operation>), RequestError> {
    let mut operations = document.operations.iter().enumerate();
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let found = operations
            .find(|(_, operation)| operation.name.as_ref().is_some_and(|found| found == name));
        return found.ok_or_else(|| {
            RequestError::new(
                Code::BadRequest,
                "The document has no operation with the name in `operationName`.",
            )
        });
    }
    match (operations.next(), operations.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(RequestError::new(
            Code::BadRequest,
            "The document has no operation.",
        )),
        (Some(_), Some(_)) => Err(RequestError::new(
            Code::BadRequest,
            "The document has several operations, so `operationName` must name one of them.",
        )),
    }
}

/// The selections of the only operation.
pub(super) fn root(document: &types::ExecutableDocument) -> &types::SelectionSet {
    static NONE: types::SelectionSet = types::SelectionSet { items: Vec::new() };
    let operation = document.operations.iter().next();
    operation.map_or(&NONE, |(_, operation)| &operation.node.selection_set.node)
}
