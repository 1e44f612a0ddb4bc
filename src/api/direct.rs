//! Objects that write their JSON themselves, in one pass and into one buffer.
//!
//! The engine resolves each field of each object as a future of its own and copies each value into a tree, which for
//! a page of articles costs more than the database. An object whose fields are all at hand needs none of that. The
//! engine still sees the same types; it takes the JSON as a value that it calls binary, and `answer.rs` writes that
//! as it is.

use std::borrow::Cow;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};
use serde::Serialize;

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
        match object(&mut out, &self.0, &ctx.item.node) {
            Some(()) => Ok(Value::Binary(out.into())),
            None => self.0.resolve(ctx, field).await,
        }
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
        match list(&mut out, &self.0, &ctx.item.node) {
            Some(()) => Ok(Value::Binary(out.into())),
            None => self.0.resolve(ctx, field).await,
        }
    }
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
/// form does not have here; the engine then does it.
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

/// Writes a text, of which only few characters need escapes: faster by a multiple than one after the other.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends a field as the other writers do"
)]
pub(super) fn text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    json_escape_simd::escape_into(text, out);
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
