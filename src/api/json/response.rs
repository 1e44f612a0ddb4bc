//! An answer as JSON, written once into one buffer.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Response, Value};
use bytes::Bytes;
use serde::Serialize;

use super::prewritten::{self, Json, Unwritten, Written};

/// What there is besides the objects that wrote themselves: a few names.
const NAMES_BYTES: usize = 512;

/// `{"data":…}`, after `errors` where there are any. The fields stand in the order of `operation` (GraphQL
/// specification, section 7.2.2), in its plain form: the engine has them in the order in which their resolvers ended.
///
/// # Errors
/// It would have more bytes than `most`: how many were counted.
pub(in crate::api) fn write(
    response: &Response,
    operation: &ExecutableDocument,
    most: usize,
) -> Result<Bytes, usize> {
    written(response, operation, most).map_err(|unwritten| match unwritten {
        Unwritten::TooLarge { bytes } => bytes,
        // Everything that the engine has is written here.
        Unwritten::Unknown => usize::MAX,
    })
}

fn written(
    response: &Response,
    operation: &ExecutableDocument,
    most: usize,
) -> Result<Bytes, Unwritten> {
    let mut out = Json::new(NAMES_BYTES + text_bytes(&response.data), most);
    // Before any of them is copied.
    out.has_room_for(text_bytes(&response.data))?;
    out.bytes.push(b'{');
    if !response.errors.is_empty() {
        out.bytes.extend_from_slice(b"\"errors\":");
        json(&mut out.bytes, &response.errors);
        out.bytes.push(b',');
    }
    out.bytes.extend_from_slice(b"\"data\":");
    let selections = operation.operations.iter().next();
    let selections = selections.map(|(_, operation)| &operation.node.selection_set.node);
    value(&mut out, &response.data, selections)?;
    out.bytes.push(b'}');
    out.has_room_for(0)?;
    Ok(out.bytes.into())
}

/// `{"errors":…}` alone, for what was not executed.
pub(in crate::api) fn refusal(response: &Response) -> Bytes {
    let mut out = Vec::new();
    out.extend_from_slice(b"{\"errors\":");
    json(&mut out, &response.errors);
    out.push(b'}');
    out.into()
}

/// The list of errors alone.
pub(in crate::api) fn errors(response: &Response) -> Bytes {
    let mut out = Vec::new();
    json(&mut out, &response.errors);
    out.into()
}

/// How long the parts are that stand in the answer as they are, and the texts but for their escapes.
fn text_bytes(given: &Value) -> usize {
    match given {
        Value::Binary(raw) => raw.len(),
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(text_bytes).sum(),
        Value::Object(fields) => fields.values().map(text_bytes).sum(),
        _ => 0,
    }
}

/// A value of the engine. What it calls binary is JSON that a resolver has written itself.
fn value(out: &mut Json, given: &Value, selections: Option<&SelectionSet>) -> Written {
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

type Keys<'a> = Vec<(&'a Name, &'a Value, Option<&'a SelectionSet>)>;

/// The fields of an object in the order of its selections, with the selections below each.
fn in_order<'a>(
    keys: &mut Keys<'a>,
    fields: &'a IndexMap<Name, Value>,
    selections: Option<&'a SelectionSet>,
) {
    for selection in selections.iter().flat_map(|selections| &selections.items) {
        match &selection.node {
            Selection::Field(field) => {
                let name = &field.node.response_key().node;
                let below = Some(&field.node.selection_set.node);
                // Beside a fragment that does not always hold, a field may stand a second time within it.
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

/// Writing JSON into memory does not fail for values that have a form in JSON, as all of these have.
fn json(out: &mut Vec<u8>, given: &impl Serialize) {
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

    fn written(document: &str, data: Value) -> String {
        let document = parse_query(document).unwrap();
        let answer = write(&Response::new(data), &document, usize::MAX).unwrap();
        String::from_utf8(answer.to_vec()).unwrap()
    }

    #[test]
    fn fields_come_in_the_order_of_the_document() {
        assert_eq!(
            written(
                "{ b a: x { d ... on T { d c } } e }",
                value!({ "e": 1, "a": [{ "c": 4, "d": "\"" }, null], "b": 6 })
            ),
            r#"{"data":{"b":6,"a":[{"d":"\"","c":4},null],"e":1}}"#
        );
    }

    #[test]
    fn what_a_resolver_wrote_stands_as_it_is() {
        let raw = Value::Binary(Bytes::from_static(b"[{\"a\":1}]"));
        let mut data = IndexMap::new();
        data.insert(Name::new("x"), raw);
        assert_eq!(
            written("{ x { a } }", Value::Object(data)),
            r#"{"data":{"x":[{"a":1}]}}"#
        );
    }
}
