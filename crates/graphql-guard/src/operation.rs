//! An operation of a document: how it is found, and what it is once it is ready.

use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

use apollo_compiler::{ExecutableDocument, Node, executable};
use async_graphql::parser::types;
use async_graphql::{Name, Variables};
use bytes::Bytes;

use super::limits::value_bytes;
use super::request_error::{Code, Refusal};
use super::{Form, OperationKind};

/// An operation that is ready to be executed.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Query, mutation or subscription.
    pub kind: OperationKind,
    /// The operation's name, if it has one.
    pub name: Option<String>,
    /// The coerced values, defaults put in. What was left out and has no default is not among them.
    pub variables: Variables,
    /// What it costs, as [`Limits::complexity`](crate::Limits::complexity) counts.
    pub complexity: u64,
    /// What the introspection fields at the root answer, as JSON, by their response keys. The engine does not see them.
    pub introspection: Vec<(Name, Bytes)>,
    pub(super) form: Arc<Form>,
    pub(super) key: OnceLock<OperationKey>,
}

impl Operation {
    /// The plain form as text, without variable values; equal for documents that differ only in how they are written.
    pub fn text(&self) -> &str {
        &self.form.text.text
    }

    /// Nothing but this operation, in its plain form; the engine takes it with the operation's name and without.
    pub fn document(&self) -> &Arc<types::ExecutableDocument> {
        &self.form.document
    }

    /// As much of it as is left to the engine: neither introspection, nor what stands below fields of the types that
    /// [`Documents::with_leaves`](crate::Documents::with_leaves) names.
    pub fn outline(&self) -> &types::ExecutableDocument {
        &self.form.outline
    }

    /// Whether the outline has a field: conditions may leave nothing of an operation, and introspection is not in it.
    pub fn is_left_to_the_engine(&self) -> bool {
        !root(&self.form.outline).items.is_empty()
    }

    /// How many fields at the root are not introspection: of a mutation, how many mutations are carried out.
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
        count(root(&self.form.outline))
    }

    /// Two operations with equal keys ask for the same.
    pub fn key(&self) -> &OperationKey {
        self.key.get_or_init(|| {
            // In JSON an enum's value reads like a string, but under equal texts a variable is of one type.
            let variables = serde_json::to_string(&self.variables);
            let variables = variables.unwrap_or_else(|_| self.variables.to_string());
            OperationKey {
                text: self.form.text.clone(),
                variables: Text::new(variables, &self.form.hashes),
            }
        })
    }

    /// About how many bytes of memory the operation holds, much of it once for all operations of the same document.
    pub fn bytes(&self) -> u64 {
        let variables = self.variables.values().map(value_bytes).sum::<u64>();
        let introspection = self.introspection.iter().map(|(_, answer)| answer.len());
        // The key has the variables' text.
        self.form.bytes + 2 * variables + introspection.sum::<usize>() as u64
    }
}

/// What identifies an operation and its variables. See [`Operation::key`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperationKey {
    text: Text,
    variables: Text,
}

/// A text that is hashed once, when it is made, by a hash that nobody finds collisions of.
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

/// `GetOperation` (GraphQL specification, section 6.1), with the operation's place in the document.
pub(super) fn pick<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<(usize, &'a Node<executable::Operation>), Refusal> {
    let mut operations = document.operations.iter().enumerate();
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let found = operations
            .find(|(_, operation)| operation.name.as_ref().is_some_and(|found| found == name));
        return found.ok_or_else(|| {
            Refusal::new(
                Code::BadRequest,
                "The document has no operation of the name that `operationName` gives.",
            )
        });
    }
    match (operations.next(), operations.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Refusal::new(
            Code::BadRequest,
            "The document has no operation.",
        )),
        (Some(_), Some(_)) => Err(Refusal::new(
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
