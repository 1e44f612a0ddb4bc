//! Literals, which are converted independently of their operation.

use std::collections::HashMap;

use apollo_compiler::ast::{Type, Value};
use async_graphql::Value as EngineConstant;
use async_graphql_value::Value as EngineValue;
use serde_json::Number;

use super::Convert;
use crate::positions::Lines;
use crate::schema::Schema;
use crate::variable_shape::Shape;

/// A literal without variables, such as a default.
pub(crate) fn constant(value: &Value, ty: &Type, schema: &Schema) -> EngineConstant {
    let lines = Lines::new("");
    let shape = Shape::default();
    let mut convert = Convert {
        schema,
        shape: &shape,
        lines: &lines,
        prewritten: None,
        uses: HashMap::new(),
        errors: Vec::new(),
    };
    let literal = convert.value(value, None, ty, &mut Vec::new());
    literal
        .and_then(EngineValue::into_const)
        .unwrap_or_default()
}

/// A literal number. One beyond 64 bits is rounded; only a `Float` may have it.
pub(super) fn number(text: &str) -> EngineValue {
    let int = text.parse::<i64>().ok().map(Number::from);
    let number = int.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    number.map_or(EngineValue::Null, EngineValue::Number)
}
