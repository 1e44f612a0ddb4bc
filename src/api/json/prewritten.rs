//! Objects that write their own JSON, in one pass and into one buffer.
//!
//! The engine resolves each field of each object as a separate future and copies each value into a tree, which for a
//! page of articles costs more than the database. An object that has all its field values in memory needs none of that.
//! The types in the engine's schema stay the same; the engine passes the JSON through as a binary value, and
//! `response.rs` writes it unchanged. The engine does not get the selections of such an object, because it would walk
//! and copy them for each request; resolvers read them with `operation_context::selections`.
//!
//! Decision: `docs/decisions/0007-fast-path.md`.

use std::borrow::Cow;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{
    ContextBase, ContextSelectionSet, OutputType, Positioned, QueryPathSegment, ServerResult, Value,
};
use serde::Serialize;

use super::arguments::Arguments;
use super::escape;
use super::operation_context::{OperationContext, Results};
use crate::api::error::{FieldError, Result};
use crate::article::excerpt::Excerpt;
use crate::error::Error;

/// An object that has all its field values in memory.
pub(in crate::api) trait Prewritten: OutputType {
    /// Writes the value of a field.
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> WriteResult;

    /// The maximum number of bytes, not counting escapes.
    fn size_hint(&self) -> usize;
}

/// JSON that is being written.
pub(in crate::api) struct Json<'c> {
    pub(in crate::api) bytes: Vec<u8>,
    /// What is needed to resolve arguments; `None` where no fields are written.
    arguments: Option<Arguments<'c>>,
    /// The maximum number of bytes. Checked before a name or a text is written, because nothing else is large.
    most: usize,
}

/// Success, or why a value could not be written.
pub(in crate::api) type WriteResult = std::result::Result<(), WriteError>;

/// Why a value could not be written.
#[derive(Debug)]
pub(in crate::api) enum WriteError {
    /// A fragment, which a normalized operation does not contain here, or an unknown field.
    Unknown,
    /// An argument with an invalid value.
    Argument(Box<FieldError>),
    /// It would exceed the maximum: with the next text there would be at least this number of bytes.
    TooLarge { bytes: usize },
}

impl<'c> Json<'c> {
    /// Empty, with capacity for `size_hint` bytes, or for `most` if that is less.
    pub(in crate::api) fn new(size_hint: usize, most: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(size_hint.min(most)),
            arguments: None,
            most,
        }
    }

    /// The same for fields that may have arguments.
    pub(super) fn with_arguments(mut self, arguments: Arguments<'c>) -> Self {
        self.arguments = Some(arguments);
        self
    }

    /// The excerpt of a text, according to the field's arguments.
    pub(in crate::api) fn excerpt(
        &mut self,
        text: &str,
        field: &Field,
    ) -> std::result::Result<Excerpt, WriteError> {
        let arguments = self.arguments.as_mut().ok_or(WriteError::Unknown)?;
        arguments.excerpt(text, field)
    }
}

impl Json<'_> {
    /// Checks whether this number of further bytes fits.
    pub(in crate::api) fn has_room_for(&self, bytes: usize) -> WriteResult {
        let bytes = self.bytes.len() + bytes;
        match bytes <= self.most {
            true => Ok(()),
            false => Err(WriteError::TooLarge { bytes }),
        }
    }
}

/// Checks that objects with the selections of the current field fit, and returns how many bytes are left after them.
///
/// # Errors
/// [`Error::TooLarge`]
pub(in crate::api) fn bytes_left_after<T: Prewritten, C>(
    ctx: &ContextBase<'_, C>,
    objects: impl IntoIterator<Item = T>,
) -> Result<usize> {
    let operation_context = OperationContext::of(ctx)?;
    let budget = &operation_context.budget;
    let selected = &operation_context.selections(ctx).ok_or_else(unknown)?.node;
    let mut out =
        Json::new(0, budget.left_to_write()).with_arguments(Arguments::of(ctx, operation_context));
    out.bytes.resize(name_bytes(ctx), 0);
    for one in objects {
        let written = object(&mut out, &one, selected);
        let used = budget.max() - out.most;
        let bytes = match written {
            // Including the comma.
            Ok(()) => out.bytes.len() + 1,
            Err(WriteError::TooLarge { bytes }) => bytes,
            Err(error) => return Err(field_error(error)),
        };
        let left = out.most.checked_sub(bytes);
        out.most = left.ok_or_else(|| budget.exceeded(used + bytes))?;
        out.bytes.clear();
    }
    Ok(out.most)
}

/// One prewritten object.
pub(crate) struct PrewrittenObject<T>(pub(in crate::api) T);

/// A list of prewritten objects.
pub(crate) struct PrewrittenList<T>(pub(in crate::api) Vec<T>);

impl<T: Prewritten> OutputType for PrewrittenObject<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if let Some(selections) = selections_of_values(ctx) {
            let ctx = ctx.with_selection_set(selections);
            return Box::pin(self.0.resolve(&ctx, field)).await;
        }
        written(ctx, field, self.0.size_hint(), |out, selected| {
            object(out, &self.0, selected)
        })
    }
}

impl<T: Prewritten> OutputType for PrewrittenList<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if let Some(selections) = selections_of_values(ctx) {
            let ctx = ctx.with_selection_set(selections);
            return Box::pin(self.0.resolve(&ctx, field)).await;
        }
        let size: usize = self.0.iter().map(Prewritten::size_hint).sum();
        written(ctx, field, size + 2, |out, selected| {
            list(out, &self.0, selected)
        })
    }
}

/// The selections that the engine must resolve; `None` where objects are prewritten.
fn selections_of_values<'c>(ctx: &ContextSelectionSet<'c>) -> Option<&'c Positioned<SelectionSet>> {
    let operation_context = OperationContext::of(ctx).ok()?;
    match operation_context.results {
        Results::Json => None,
        Results::Values => operation_context.selections(ctx),
    }
}

/// The JSON that `write` produces for the selections of a field.
fn written(
    ctx: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
    size_hint: usize,
    write: impl FnOnce(&mut Json<'_>, &SelectionSet) -> WriteResult,
) -> ServerResult<Value> {
    let value = || -> Result<Value> {
        let operation_context = OperationContext::of(ctx)?;
        let out = Json::new(size_hint, operation_context.left_to_write());
        let mut out = out.with_arguments(Arguments::of(ctx, operation_context));
        let selected = operation_context.selections(ctx).ok_or(WriteError::Unknown);
        match selected.and_then(|selected| write(&mut out, &selected.node)) {
            Ok(()) => operation_context.count(ctx, out.bytes.len())?,
            Err(WriteError::TooLarge { bytes }) => operation_context.count(ctx, bytes)?,
            Err(error) => return Err(field_error(error)),
        }
        Ok(Value::Binary(out.bytes.into()))
    };
    value().map_err(|error| {
        let error = async_graphql::Error::from(error).into_server_error(field.pos);
        ctx.set_error_path(error)
    })
}

pub(super) fn name_bytes<C>(ctx: &ContextBase<'_, C>) -> usize {
    match ctx.path_node.as_ref().map(|node| &node.segment) {
        Some(QueryPathSegment::Name(name)) => name.len() + 3,
        _ => 0,
    }
}

/// The error of a field that could not be written for a reason other than its size.
fn field_error(error: WriteError) -> FieldError {
    match error {
        WriteError::Argument(error) => *error,
        WriteError::Unknown | WriteError::TooLarge { .. } => unknown().into(),
    }
}

pub(super) fn unknown() -> Error {
    Error::internal("an object does not know one of its fields")
}

pub(in crate::api) fn list<T: Prewritten>(
    out: &mut Json<'_>,
    objects: &[T],
    selections: &SelectionSet,
) -> WriteResult {
    out.bytes.push(b'[');
    for (index, one) in objects.iter().enumerate() {
        if index > 0 {
            out.bytes.push(b',');
        }
        object(out, one, selections)?;
    }
    out.bytes.push(b']');
    Ok(())
}

/// Writes the selected fields of an object.
pub(in crate::api) fn object<T: Prewritten>(
    out: &mut Json<'_>,
    object: &T,
    selections: &SelectionSet,
) -> WriteResult {
    out.bytes.push(b'{');
    for (index, selection) in selections.items.iter().enumerate() {
        let Selection::Field(Positioned { node: field, .. }) = &selection.node else {
            return Err(WriteError::Unknown);
        };
        if index > 0 {
            out.bytes.push(b',');
        }
        name(out, &field.response_key().node)?;
        if field.name.node == "__typename" {
            json(out, &T::type_name())?;
        } else {
            object.write_field(out, field)?;
        }
    }
    out.bytes.push(b'}');
    Ok(())
}

/// Writes the name of a field and a colon. A GraphQL name needs no escapes.
pub(in crate::api) fn name(out: &mut Json<'_>, name: &str) -> WriteResult {
    out.has_room_for(name.len() + 3)?;
    out.bytes.push(b'"');
    out.bytes.extend_from_slice(name.as_bytes());
    out.bytes.extend_from_slice(b"\":");
    Ok(())
}

/// Writes a scalar.
pub(in crate::api) fn json(out: &mut Json<'_>, value: &(impl Serialize + ?Sized)) -> WriteResult {
    serde_json::to_writer(&mut out.bytes, value).map_err(|_| WriteError::Unknown)
}

/// Writes a text.
pub(in crate::api) fn text(out: &mut Json<'_>, text: &str) -> WriteResult {
    out.has_room_for(text.len())?;
    escape::string(&mut out.bytes, text);
    Ok(())
}

/// Writes a text that needs no escapes.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends a field as the other writers do"
)]
pub(in crate::api) fn plain(out: &mut Json<'_>, text: &[u8]) -> WriteResult {
    out.bytes.push(b'"');
    out.bytes.extend_from_slice(text);
    out.bytes.push(b'"');
    Ok(())
}
