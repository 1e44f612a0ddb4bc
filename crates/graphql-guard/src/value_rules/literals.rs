//! Literals: which of them a scalar accepts, and what a message calls them.

use apollo_compiler::ast::Value;

use crate::settings::ScalarInput;

/// Whether a scalar that accepts such values accepts a literal.
pub(super) fn accepts(accepted: ScalarInput, literal: &Value) -> bool {
    use ScalarInput::{Any, Boolean, Float, Id, Int, String};
    match (accepted, literal) {
        (Any, _)
        | (String | Id, Value::String(_))
        | (Id, Value::Int(_))
        | (Boolean, Value::Boolean(_)) => true,
        (Int, Value::Int(int)) => int.try_to_i32().is_ok(),
        (Float, Value::Int(int)) => int.try_to_f64().is_ok_and(f64::is_finite),
        (Float, Value::Float(float)) => float.try_to_f64().is_ok_and(f64::is_finite),
        _ => false,
    }
}

/// A literal in a message, which is short whatever the literal.
pub(super) fn describe(literal: &Value) -> String {
    match literal {
        Value::Null => "null".to_owned(),
        Value::Variable(name) => format!("${name}"),
        Value::Enum(name) => name.to_string(),
        Value::Int(int) if int.as_str().len() <= 32 => int.as_str().to_owned(),
        Value::Float(float) if float.as_str().len() <= 32 => float.as_str().to_owned(),
        Value::Int(_) | Value::Float(_) => "a long number".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Object(_) => "an input object".to_owned(),
    }
}
