//! JSON that is kept as text until its types are known. A tree of values can take a thousand times the memory of its
//! text, so no tree is built from what a client sends.

use std::fmt;

use async_graphql::Variables;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Map, Result, Value};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text without the byte order mark that some editors and programs write (RFC 8259, section 8.1).
pub fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// The text of a JSON object; empty where none is given.
#[derive(Clone, Default)]
pub struct ObjectText(Option<Box<RawValue>>);

impl ObjectText {
    /// `None` where the value is not an object.
    pub fn new(value: &RawValue) -> Option<Self> {
        is_object(value).then(|| Self(Some(value.to_owned())))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("{}", |text| text.get())
    }

    /// Whether no object is given.
    pub fn is_absent(&self) -> bool {
        self.0.is_none()
    }

    /// The text of a member. Of duplicates the last counts.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        let [value] = members(self.0.as_ref()?.get().as_bytes(), [name]).ok()??;
        value
    }
}

impl From<&Map<String, Value>> for ObjectText {
    fn from(object: &Map<String, Value>) -> Self {
        // A map is written as an object.
        Self(serde_json::value::to_raw_value(object).ok())
    }
}

impl From<&Variables> for ObjectText {
    fn from(variables: &Variables) -> Self {
        match variables.is_empty() {
            true => Self::default(),
            // Variables are written as an object.
            false => Self(serde_json::value::to_raw_value(variables).ok()),
        }
    }
}

impl Serialize for ObjectText {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0 {
            Some(text) => text.serialize(serializer),
            None => Map::new().serialize(serializer),
        }
    }
}

/// Compares the texts.
impl PartialEq for ObjectText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for ObjectText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

pub fn is_null(value: &RawValue) -> bool {
    value.get().starts_with('n')
}

pub fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

/// The value as a string; `None` where it is not a string.
///
/// # Errors
/// It is a string with invalid escapes.
pub fn string(value: &RawValue) -> Result<Option<String>> {
    match value.get().starts_with('"') {
        true => serde_json::from_str(value.get()).map(Some),
        false => Ok(None),
    }
}

/// The texts of the members with these names. Of duplicates the last counts; all other members are skipped. `None`
/// where the text is JSON, but not an object.
///
/// # Errors
/// The text is not JSON.
pub fn members<'text, const N: usize>(
    text: &'text [u8],
    names: [&str; N],
) -> Result<Option<[Option<&'text RawValue>; N]>> {
    let mut found = [None; N];
    let index = |name: &str| names.iter().position(|known| *known == name);
    let mut deserializer = Deserializer::from_slice(text);
    let is_object = deserializer.deserialize_any(Find {
        found: &mut found,
        index,
    })?;
    deserializer.end()?;
    Ok(is_object.then_some(found))
}

struct Find<'f, 'text, P> {
    found: &'f mut [Option<&'text RawValue>],
    index: P,
}

impl<'text, P: Fn(&str) -> Option<usize>> Visitor<'text> for Find<'_, 'text, P> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'text>>(self, mut map: A) -> std::result::Result<bool, A::Error> {
        while let Some(index) = map.next_key_seed(Index(&self.index))? {
            match index.and_then(|index| self.found.get_mut(index)) {
                Some(found) => *found = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'text>>(self, mut items: A) -> std::result::Result<bool, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> std::result::Result<bool, E> {
        Ok(false)
    }
}

/// Reads the name of a member as the index that it has.
pub(crate) struct Index<'p, P>(pub(crate) &'p P);

impl<'de, P: Fn(&str) -> Option<usize>> serde::de::DeserializeSeed<'de> for Index<'_, P> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<P: Fn(&str) -> Option<usize>> Visitor<'_> for Index<'_, P> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> std::result::Result<Self::Value, E> {
        Ok((self.0)(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Result<Option<[Option<&str>; 2]>> {
        let found = members(text.as_bytes(), ["a", "é"])?;
        Ok(found.map(|found| found.map(|value| value.map(RawValue::get))))
    }

    #[test]
    fn members_are_found_by_their_names_and_the_last_counts() {
        let text = r#" {"b":[{}], "a" : 1, "\u00e9":{"a":2} , "a":[ 3, "x"]} "#;
        let expected = [Some(r#"[ 3, "x"]"#), Some(r#"{"a":2}"#)];
        assert_eq!(texts(text).unwrap(), Some(expected));
    }

    #[test]
    fn other_values_have_no_members() {
        for text in ["[{\"a\":1}]", "\"a\"", "1", "-1", "1.5", "true", "null"] {
            assert_eq!(texts(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_an_error() {
        for text in [
            "",
            "{",
            "{\"a\":}",
            "{\"b\":[1,]}",
            "{} {}",
            "[1",
            "{\"b\":\"\u{1}\"}",
        ] {
            assert!(texts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn members_that_are_skipped_may_nest_at_any_depth() {
        let deep = format!("{{\"b\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(texts(&deep).unwrap(), Some([None, None]));
    }
}
