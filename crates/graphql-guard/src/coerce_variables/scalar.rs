//! Scalars, as section 3.5 of the specification coerces them.

use async_graphql::Value;
use serde_json::Number;

use super::super::settings::ScalarInput;

/// A value that is neither null nor a list or an object.
pub(super) enum Leaf<'a> {
    Bool(bool),
    Number(Number),
    Text(&'a str),
}

impl Leaf<'_> {
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
        }
    }
}

/// The coerced value, if a scalar that accepts such values accepts it.
pub(super) fn scalar(accepted: ScalarInput, leaf: &Leaf<'_>) -> Option<Value> {
    use ScalarInput::{Any, Boolean, Float, Id, Int, String};
    match (accepted, leaf) {
        (Int, Leaf::Number(number)) => whole(number)
            .and_then(|int| i32::try_from(int).ok())
            .map(|int| Value::Number(int.into())),
        (Float, Leaf::Number(number)) => number
            .as_f64()
            .filter(|float| float.is_finite())
            .map(|_| Value::Number(number.clone())),
        (Boolean | Any, Leaf::Bool(value)) => Some(Value::Boolean(*value)),
        (Id, Leaf::Number(number)) => whole(number).map(|int| Value::String(int.to_string())),
        (Any, Leaf::Number(number)) => Some(Value::Number(number.clone())),
        (String | Id | Any, Leaf::Text(text)) => Some(Value::String((*text).to_owned())),
        _ => None,
    }
}

/// The number as an integer; `3.0` is one, because JSON does not distinguish it from `3`.
fn whole(number: &Number) -> Option<i128> {
    /// Up to this number every integer is representable as an `f64`.
    const EXACT: f64 = 9_007_199_254_740_991.0;
    if let Some(int) = number.as_i128() {
        return Some(int);
    }
    let float = number
        .as_f64()
        .filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and far within the range of i128"
    )]
    Some(float as i128)
}
