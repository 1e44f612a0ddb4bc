//! An answer as JSON, written once into one buffer.

use async_graphql::{Response, Value};
use bytes::Bytes;
use serde::Serialize;

/// Where most answers end: a page of articles without their texts.
const USUAL_BYTES: usize = 4 * 1024;

/// `{"data":…}`, after `errors` where there are any.
pub(super) fn write(response: &Response) -> Bytes {
    let mut out = Vec::with_capacity(USUAL_BYTES);
    out.push(b'{');
    if !response.errors.is_empty() {
        out.extend_from_slice(b"\"errors\":");
        json(&mut out, &response.errors);
        out.push(b',');
    }
    out.extend_from_slice(b"\"data\":");
    value(&mut out, &response.data);
    out.push(b'}');
    out.into()
}

/// A value of the engine. What it calls binary is JSON that a resolver has written itself.
fn value(out: &mut Vec<u8>, given: &Value) {
    match given {
        Value::Binary(raw) => out.extend_from_slice(raw),
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                value(out, item);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (index, (name, field)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                // A GraphQL name needs no escapes.
                out.push(b'"');
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":");
                value(out, field);
            }
            out.push(b'}');
        }
        scalar => json(out, scalar),
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
