//! Writes a response as JSON, once and into one buffer, or returns it as values of the engine.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Value};
use bytes::Bytes;
use serde::Serialize;

use super::prewritten::{self, Json, WriteError, WriteResult};
use crate::error::ResponseError;

/// Capacity for the names around prewritten JSON.
const NAMES_BYTES: usize = 512;

/// `{"data":…}`, after `errors` where there are any. The fields have the order of the normalized operation (GraphQL
/// specification, section 7.2.2); the engine returns them in the order in which their resolvers ended.
///
/// # Errors
/// It would have more bytes than `most`; the number of bytes counted.
pub(in crate::api) fn write(
    data: &Value,
    errors: &[ResponseError],
    operation: &ExecutableDocument,
    most: usize,
) -> Result<Bytes, usize> {
    written(data, errors, operation, most).map_err(|error| match error {
        WriteError::TooLarge { bytes } => bytes,
        // The engine's values contain neither.
        WriteError::Unknown | WriteError::Argument(_) => usize::MAX,
    })
}

fn written(
    data: &Value,
    errors: &[ResponseError],
    operation: &ExecutableDocument,
    most: usize,
) -> Result<Bytes, WriteError> {
    let texts = text_bytes(data);
    let mut out = Json::new(NAMES_BYTES + texts, most);
    // Checked before any of them is copied.
    out.has_room_for(texts)?;
    out.bytes.push(b'{');
    if !errors.is_empty() {
        out.bytes.extend_from_slice(b"\"errors\":");
        json(&mut out.bytes, errors);
        out.bytes.push(b',');
    }
    out.bytes.extend_from_slice(b"\"data\":");
    let selections = operation.operations.iter().next();
    let selections = selections.map(|(_, operation)| &operation.node.selection_set.node);
    value(&mut out, data, selections)?;
    out.bytes.push(b'}');
    out.has_room_for(0)?;
    Ok(out.bytes.into())
}

/// `{"errors":…}`, for operations that were not executed.
pub(in crate::api) fn without_data(errors: &[ResponseError]) -> Bytes {
    let mut out = Vec::new();
    out.extend_from_slice(b"{\"errors\":");
    json(&mut out, errors);
    out.push(b'}');
    out.into()
}

/// The data of a response with its fields in the order of the normalized operation. The results of introspection, which
/// are JSON, become values.
pub(in crate::api) fn ordered(data: Value, operation: &ExecutableDocument) -> Value {
    let selections = operation.operations.iter().next();
    in_order_of(
        data,
        selections.map(|(_, operation)| &operation.node.selection_set.node),
    )
}

fn in_order_of(given: Value, selections: Option<&SelectionSet>) -> Value {
    match given {
        Value::Binary(json) => serde_json::from_slice(&json).unwrap_or_default(),
        Value::List(items) => {
            let items = items.into_iter();
            Value::List(items.map(|item| in_order_of(item, selections)).collect())
        }
        Value::Object(mut fields) => {
            let mut keys = Vec::with_capacity(fields.len());
            in_order(&mut keys, &fields, selections);
            let keys: Vec<_> = keys
                .into_iter()
                .map(|(name, _, below)| (name.clone(), below))
                .collect();
            let ordered = keys.into_iter().filter_map(|(name, below)| {
                let value = fields.swap_remove(&name)?;
                Some((name, in_order_of(value, below)))
            });
            Value::Object(ordered.collect())
        }
        scalar => scalar,
    }
}

/// The bytes of prewritten JSON and of texts, not counting escapes.
fn text_bytes(given: &Value) -> usize {
    match given {
        Value::Binary(raw) => raw.len(),
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(text_bytes).sum(),
        Value::Object(fields) => fields.values().map(text_bytes).sum(),
        _ => 0,
    }
}

/// Writes a value of the engine. A binary value is prewritten JSON.
fn value(out: &mut Json<'_>, given: &Value, selections: Option<&SelectionSet>) -> WriteResult {
    match given {
        Value::Binary(raw) => {
            out.has_room_for(raw.len())?;
            out.bytes.extend_from_slice(raw);
        }
        Value::List(items) => {
            out.bytes.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.bytes.push(b',');
                }
                value(out, item, selections)?;
            }
            out.bytes.push(b']');
        }
        Value::Object(fields) => {
            let mut keys = Vec::with_capacity(fields.len());
            in_order(&mut keys, fields, selections);
            out.bytes.push(b'{');
            for (index, (name, field, selections)) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.bytes.push(b',');
                }
                prewritten::name(out, name)?;
                value(out, field, selections)?;
            }
            out.bytes.push(b'}');
        }
        Value::String(text) => prewritten::text(out, text)?,
        scalar => json(&mut out.bytes, scalar),
    }
    Ok(())
}

type Keys<'f, 's> = Vec<(&'f Name, &'f Value, Option<&'s SelectionSet>)>;

/// The fields of an object in the order of its selections, each with its own selections.
fn in_order<'f, 's>(
    keys: &mut Keys<'f, 's>,
    fields: &'f IndexMap<Name, Value>,
    selections: Option<&'s SelectionSet>,
) {
    for selection in selections.iter().flat_map(|selections| &selections.items) {
        match &selection.node {
            Selection::Field(field) => {
                let name = &field.node.response_key().node;
                let below = Some(&field.node.selection_set.node);
                // A field next to a fragment may also occur inside it.
                if let Some((name, value)) = fields.get_key_value(name)
                    && !keys.iter().any(|(known, ..)| *known == name)
                {
                    keys.push((name, value, below));
                }
            }
            Selection::InlineFragment(fragment) => {
                in_order(keys, fields, Some(&fragment.node.selection_set.node));
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Writing to memory cannot fail, and all these values are valid in JSON.
fn json(out: &mut Vec<u8>, given: &(impl Serialize + ?Sized)) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, given).is_err() {
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::value;

    use super::*;

    fn written(document: &str, data: &Value) -> String {
        let document = parse_query(document).unwrap();
        let json = write(data, &[], &document, usize::MAX).unwrap();
        String::from_utf8(json.to_vec()).unwrap()
    }

    #[test]
    fn fields_come_in_the_order_of_the_document() {
        assert_eq!(
            written(
                "{ b a: x { d ... on T { d c } } e }",
                &value!({ "e": 1, "a": [{ "c": 4, "d": "\"" }, null], "b": 6 })
            ),
            r#"{"data":{"b":6,"a":[{"d":"\"","c":4},null],"e":1}}"#
        );
    }

    #[test]
    fn prewritten_json_is_unchanged() {
        let raw = Value::Binary(Bytes::from_static(b"[{\"a\":1}]"));
        let mut data = IndexMap::new();
        data.insert(Name::new("x"), raw);
        assert_eq!(
            written("{ x { a } }", &Value::Object(data)),
            r#"{"data":{"x":[{"a":1}]}}"#
        );
    }
}
