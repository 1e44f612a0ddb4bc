//! The data about the current operation that resolvers need: its selections, which the engine does not get, and the
//! budget of its response.

use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{ContextBase, Positioned, QueryPathNode, QueryPathSegment};

use super::prewritten::{WriteError, WriteResult, name_bytes};
use crate::budget::ResponseBudget;
use crate::error::{Error, Result};

/// The data about the current operation in a resolver's context.
pub(in crate::api) struct OperationContext {
    /// The normalized operation.
    pub(in crate::api) document: Arc<ExecutableDocument>,
    /// The bytes that its response may still have.
    pub(in crate::api) budget: ResponseBudget,
    pub(in crate::api) results: Results,
}

/// How objects that can be prewritten are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Results {
    /// They write their own JSON, for our own transports.
    Json,
    /// The engine resolves them, for programs that need values.
    Values,
}

impl OperationContext {
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

    /// The number of bytes that a field may have. A mutation has already been executed, so its result is unlimited: the
    /// size was checked before.
    pub(super) fn left_to_write(&self) -> usize {
        match self.is_mutation() {
            true => usize::MAX,
            false => self.budget.left_to_write(),
        }
    }

    /// Counts the bytes of a field, including its name.
    pub(super) fn count<C>(&self, ctx: &ContextBase<'_, C>, bytes: usize) -> Result<()> {
        let counted = self.budget.write(bytes + name_bytes(ctx));
        match self.is_mutation() {
            true => Ok(()),
            false => counted,
        }
    }

    /// Counts the bytes of a text that is searched again. Not limited for a mutation, which has already been executed.
    pub(super) fn count_read(&self, bytes: usize) -> WriteResult {
        match self.budget.read(bytes) {
            Err(Error::TooLarge { value, .. }) if !self.is_mutation() => {
                Err(WriteError::TooLarge { bytes: value })
            }
            _ => Ok(()),
        }
    }

    fn is_mutation(&self) -> bool {
        let operation = self.document.operations.iter().next();
        operation.is_some_and(|(_, operation)| operation.node.ty == OperationType::Mutation)
    }
}

/// The selections of the current field; `None` where the context has no [`OperationContext`].
pub(in crate::api) fn selections<'c, T>(ctx: &ContextBase<'c, T>) -> Option<&'c SelectionSet> {
    Some(&OperationContext::of(ctx).ok()?.selections(ctx)?.node)
}

/// The budget of the response.
pub(in crate::api) fn budget<'c, T>(ctx: &ContextBase<'c, T>) -> Result<&'c ResponseBudget> {
    OperationContext::of(ctx).map(|operation_context| &operation_context.budget)
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
