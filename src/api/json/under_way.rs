//! What resolvers find of the operation that is under way: its selections, which the engine is not shown, and what its
//! response may take.

use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{ContextBase, Positioned, QueryPathNode, QueryPathSegment};

use super::prewritten::{Unwritten, Written, name_bytes};
use crate::budget::ResponseBudget;
use crate::error::{Error, Result};

/// What a resolver finds in the context of the operation under way.
pub(in crate::api) struct UnderWay {
    /// The normalized operation.
    pub(in crate::api) document: Arc<ExecutableDocument>,
    /// The bytes that its response may have.
    pub(in crate::api) budget: ResponseBudget,
    pub(in crate::api) results: Results,
}

/// What becomes of the objects that can write themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Results {
    /// They write themselves as JSON, for our own transports.
    Json,
    /// The engine resolves them, for those who want values.
    Values,
}

impl UnderWay {
    pub(super) fn of<'c, T>(ctx: &ContextBase<'c, T>) -> Result<&'c Self> {
        ctx.data_opt()
            .ok_or_else(|| Error::internal("the context lacks the operation"))
    }

    /// The selections of the current field.
    pub(super) fn selections<'c, T>(
        &'c self,
        ctx: &ContextBase<'c, T>,
    ) -> Option<&'c Positioned<SelectionSet>> {
        let (_, operation) = self.document.operations.iter().next()?;
        below(&operation.node.selection_set, ctx.path_node.as_ref())
    }

    /// How many bytes a field may have. What a mutation shows has happened, so it is shown: it was asked before whether
    /// there is room.
    pub(super) fn left_to_write(&self) -> usize {
        match self.is_mutation() {
            true => usize::MAX,
            false => self.budget.left_to_write(),
        }
    }

    /// Counts the bytes of a field, those of its name among them.
    pub(super) fn count<C>(&self, ctx: &ContextBase<'_, C>, bytes: usize) -> Result<()> {
        let counted = self.budget.write(bytes + name_bytes(ctx));
        match self.is_mutation() {
            true => Ok(()),
            false => counted,
        }
    }

    /// Counts bytes of a text that are looked through once more. A mutation shows what has happened.
    pub(super) fn count_read(&self, bytes: usize) -> Written {
        match self.budget.read(bytes) {
            Err(Error::TooLarge { value, .. }) if !self.is_mutation() => {
                Err(Unwritten::TooLarge { bytes: value })
            }
            _ => Ok(()),
        }
    }

    fn is_mutation(&self) -> bool {
        let operation = self.document.operations.iter().next();
        operation.is_some_and(|(_, operation)| operation.node.ty == OperationType::Mutation)
    }
}

/// What is selected of the field that is resolved; `None` where the context has no [`UnderWay`].
pub(in crate::api) fn selections<'c, T>(ctx: &ContextBase<'c, T>) -> Option<&'c SelectionSet> {
    Some(&UnderWay::of(ctx).ok()?.selections(ctx)?.node)
}

/// What the answer may take.
pub(in crate::api) fn budget<'c, T>(ctx: &ContextBase<'c, T>) -> Result<&'c ResponseBudget> {
    UnderWay::of(ctx).map(|under_way| &under_way.budget)
}

/// The selections at the end of a path.
fn below<'d>(
    root: &'d Positioned<SelectionSet>,
    path: Option<&QueryPathNode<'_>>,
) -> Option<&'d Positioned<SelectionSet>> {
    let Some(path) = path else {
        return Some(root);
    };
    let above = below(root, path.parent)?;
    match path.segment {
        QueryPathSegment::Name(key) => named(above, key),
        QueryPathSegment::Index(_) => Some(above),
    }
}

/// The selections of a field at the root, by its response key.
pub(super) fn field_at_root<'d>(
    document: &'d ExecutableDocument,
    key: &str,
) -> Option<&'d SelectionSet> {
    let (_, operation) = document.operations.iter().next()?;
    Some(&named(&operation.node.selection_set, key)?.node)
}

/// The selections of the field with this response key.
fn named<'d>(
    above: &'d Positioned<SelectionSet>,
    key: &str,
) -> Option<&'d Positioned<SelectionSet>> {
    above
        .node
        .items
        .iter()
        .find_map(|selection| match &selection.node {
            Selection::Field(field) if field.node.response_key().node == key => {
                Some(&field.node.selection_set)
            }
            _ => None,
        })
}
