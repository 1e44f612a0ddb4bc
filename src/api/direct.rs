//! Objects that write their JSON themselves, in one pass and into one buffer.
//!
//! The engine resolves each field of each object as a future of its own and copies each value into a tree, which for
//! a page of articles costs more than the database. An object whose fields are all at hand needs none of that. The
//! engine still has the same types; it takes the JSON as a value that it calls binary, and `answer.rs` writes that
//! as it is. What is selected of such an object the engine is not shown, because it would walk over it and copy it
//! for each request; resolvers find it with [`selections`].

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{
    ContextBase, ContextSelectionSet, OutputType, Positioned, QueryPathNode, QueryPathSegment,
    ServerResult, Value,
};
use serde::Serialize;

use super::escape;
use crate::error::Error;

/// The whole operation in its plain form, as a resolver finds it in the context.
pub(super) struct Plain(pub(super) Arc<ExecutableDocument>);

/// What is selected of the field that is resolved; `None` where the context has no [`Plain`].
pub(super) fn selections<'c, T>(ctx: &ContextBase<'c, T>) -> Option<&'c SelectionSet> {
    let Plain(document) = ctx.data_opt()?;
    let (_, operation) = document.operations.iter().next()?;
    below(&operation.node.selection_set.node, ctx.path_node.as_ref())
}

/// The selections at the end of a path.
fn below<'d>(root: &'d SelectionSet, path: Option<&QueryPathNode<'_>>) -> Option<&'d SelectionSet> {
    let Some(path) = path else {
        return Some(root);
    };
    let above = below(root, path.parent)?;
    let QueryPathSegment::Name(key) = path.segment else {
        return Some(above);
    };
    above
        .items
        .iter()
        .find_map(|selection| match &selection.node {
            Selection::Field(field) if field.node.response_key().node == key => {
                Some(&field.node.selection_set.node)
            }
            _ => None,
        })
}

/// An object whose fields are all at hand.
pub(super) trait Direct: OutputType {
    /// Writes the value of a field, and answers `None` for a field that it does not know.
    fn write_field(&self, out: &mut Vec<u8>, field: &Field) -> Option<()>;

    /// How many bytes it takes at the most, but for escapes.
    fn size_hint(&self) -> usize;
}

/// One object that writes itself.
pub(crate) struct One<T>(pub(super) T);

/// A list of objects that write themselves.
pub(crate) struct Many<T>(pub(super) Vec<T>);

impl<T: Direct> OutputType for One<T> {
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
        let mut out = Vec::with_capacity(self.0.size_hint());
        let written = selections(ctx).and_then(|selected| object(&mut out, &self.0, selected));
        binary(out, written, ctx, field)
    }
}

impl<T: Direct> OutputType for Many<T> {
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
        let size: usize = self.0.iter().map(Direct::size_hint).sum();
        let mut out = Vec::with_capacity(size + 2);
        let written = selections(ctx).and_then(|selected| list(&mut out, &self.0, selected));
        binary(out, written, ctx, field)
    }
}

fn binary(
    out: Vec<u8>,
    written: Option<()>,
    ctx: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
) -> ServerResult<Value> {
    if written.is_some() {
        return Ok(Value::Binary(out.into()));
    }
    let error = Error::internal("an object does not know one of its fields");
    let error = async_graphql::Error::from(error).into_server_error(field.pos);
    Err(ctx.set_error_path(error))
}

fn list<T: Direct>(out: &mut Vec<u8>, objects: &[T], selections: &SelectionSet) -> Option<()> {
    out.push(b'[');
    for (index, one) in objects.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        object(out, one, selections)?;
    }
    out.push(b']');
    Some(())
}

/// Writes the selected fields of an object. `None` where there is more than fields, which a document in its plain
/// form does not have here.
pub(super) fn object<T: Direct>(
    out: &mut Vec<u8>,
    object: &T,
    selections: &SelectionSet,
) -> Option<()> {
    out.push(b'{');
    for (index, selection) in selections.items.iter().enumerate() {
        let Selection::Field(Positioned { node: field, .. }) = &selection.node else {
            return None;
        };
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(field.response_key().node.as_bytes());
        out.extend_from_slice(b"\":");
        if field.name.node == "__typename" {
            json(out, &T::type_name())?;
        } else {
            object.write_field(out, field)?;
        }
    }
    out.push(b'}');
    Some(())
}

/// Writes a scalar.
pub(super) fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Option<()> {
    serde_json::to_writer(out, value).ok()
}

/// Writes a text.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends a field as the other writers do"
)]
pub(super) fn text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    escape::string(out, text);
    Some(())
}

/// Writes a text that needs no escapes.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends a field as the other writers do"
)]
pub(super) fn plain(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
    Some(())
}
