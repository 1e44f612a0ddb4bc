//! A slow and simple reader of JSON, as the reference for fuzzed code.

use serde_json::{Map, Value};

/// The JSON object in a text, with or without a byte order mark; `None` if it is something else. `Err` if serde_json
/// cannot represent it although it may be JSON: it is nested too deeply, or has a number that is not a double.
pub(crate) fn object(text: &[u8]) -> Result<Option<Map<String, Value>>, ()> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Ok(None),
        Err(error) => match error.to_string() {
            message if message.contains("recursion limit") => Err(()),
            message if message.contains("out of range") => Err(()),
            // Skipped values may contain invalid escapes.
            message if message.contains("surrogate") || message.contains("escape") => Err(()),
            message if message.contains("unicode code point") => Err(()),
            _ => Ok(None),
        },
    }
}

/// A member that exists and is not null.
pub(crate) fn member<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Whether a member is missing or a string.
pub(crate) fn may_be_string(object: &Map<String, Value>, name: &str) -> bool {
    member(object, name).is_none_or(Value::is_string)
}

/// Whether a member is missing or an object.
pub(crate) fn may_be_object(object: &Map<String, Value>, name: &str) -> bool {
    member(object, name).is_none_or(Value::is_object)
}
