//! Coerces the values of variables to the types that the operation declares (GraphQL specification, section 6.1.2).
//!
//! apollo-compiler can do this too, but cannot say which part of a value is wrong; the contract wants its path.
//! Variables that the operation does not declare are ignored. Messages never repeat a value: it may be long, or secret.

use std::collections::BTreeMap;

use apollo_compiler::ast::{Type, VariableDefinition};
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use apollo_compiler::{Name, Node};
use async_graphql::indexmap::IndexMap;
use async_graphql::{Name as EngineName, Value as EngineValue, Variables};
use serde_json::{Map, Number, Value};

use super::MAX_REFUSALS;
use super::convert;
use super::refusal::Refusal;
use super::schema::{Schema, is_one_of};

/// The coerced values, defaults put in. A nullable variable that was not given and has no default is not among them.
pub(super) fn coerce(
    schema: &Schema,
    definitions: &[Node<VariableDefinition>],
    given: &Map<String, Value>,
) -> Result<Variables, Vec<Refusal>> {
    let mut coercion = Coercion {
        schema,
        refusals: Vec::new(),
    };
    let mut values = BTreeMap::new();
    for definition in definitions {
        let name = definition.name.as_str();
        let value = match (given.get(name), &definition.default_value) {
            (Some(value), _) => {
                let path = Path {
                    parent: None,
                    key: Key::Name(name),
                };
                coercion.value(value, &definition.ty, &path)
            }
            (None, Some(default)) => convert::constant(default, &definition.ty, schema),
            (None, None) if definition.ty.is_non_null() => {
                let message = format!(
                    "The variable `${name}` of type `{}` is required.",
                    definition.ty
                );
                coercion.refuse(Refusal::input(name, message));
                continue;
            }
            (None, None) => continue,
        };
        values.insert(EngineName::new(name), value);
    }
    if coercion.refusals.is_empty() {
        Ok(Variables::from_value(EngineValue::Object(
            values.into_iter().collect(),
        )))
    } else {
        Err(coercion.refusals)
    }
}

/// Names in paths are cut off here, in characters.
const LONGEST_NAME: usize = 64;

/// A step of the way to a value. Kept on the stack and written only when something is wrong.
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    key: Key<'a>,
}

enum Key<'a> {
    Name(&'a str),
    Index(usize),
}

impl Path<'_> {
    fn dotted(&self) -> String {
        let key = match self.key {
            // A name that the schema does not know is the client's own text, of any length.
            Key::Name(name) => name.chars().take(LONGEST_NAME).collect(),
            Key::Index(index) => index.to_string(),
        };
        self.parent
            .map_or(key.clone(), |parent| format!("{}.{key}", parent.dotted()))
    }
}

struct Coercion<'a> {
    schema: &'a Schema,
    refusals: Vec<Refusal>,
}

impl Coercion<'_> {
    fn refuse(&mut self, refusal: Refusal) {
        if self.refusals.len() < MAX_REFUSALS {
            self.refusals.push(refusal);
        }
    }

    fn refuse_at(&mut self, path: &Path<'_>, reason: &str) -> EngineValue {
        let field = path.dotted();
        let message = format!(
            "The variable `${}` cannot be used: {reason} at `{field}`.",
            first(&field)
        );
        self.refuse(Refusal::input(field, message));
        EngineValue::Null
    }

    /// The coerced value; anything where it was refused.
    fn value(&mut self, value: &Value, ty: &Type, path: &Path<'_>) -> EngineValue {
        if value.is_null() {
            if ty.is_non_null() {
                return self.refuse_at(
                    path,
                    &format!("expected a value of type `{ty}`, found null"),
                );
            }
            return EngineValue::Null;
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => self.list(value, item, path),
            Type::Named(name) | Type::NonNullNamed(name) => self.named(value, name, path),
        }
    }

    fn list(&mut self, value: &Value, item: &Type, path: &Path<'_>) -> EngineValue {
        let Value::Array(values) = value else {
            return EngineValue::List(vec![self.value(value, item, path)]);
        };
        let items = values.iter().enumerate();
        let coerced = items
            .map(|(index, value)| {
                self.value(
                    value,
                    item,
                    &Path {
                        parent: Some(path),
                        key: Key::Index(index),
                    },
                )
            })
            .collect();
        EngineValue::List(coerced)
    }

    fn named(&mut self, value: &Value, name: &Name, path: &Path<'_>) -> EngineValue {
        let coerced = match self.schema.types.types.get(name) {
            Some(ExtendedType::InputObject(definition)) => {
                if let Value::Object(fields) = value {
                    return self.object(fields, definition, path);
                }
                None
            }
            Some(ExtendedType::Enum(definition)) => match value {
                Value::String(text) if definition.values.contains_key(text.as_str()) => {
                    Some(EngineValue::Enum(EngineName::new(text)))
                }
                _ => None,
            },
            _ => scalar(name, value),
        };
        coerced.unwrap_or_else(|| {
            self.refuse_at(
                path,
                &format!(
                    "expected a value of type `{name}`, found {}",
                    describe(value)
                ),
            )
        })
    }

    fn object(
        &mut self,
        given: &Map<String, Value>,
        definition: &InputObjectType,
        path: &Path<'_>,
    ) -> EngineValue {
        let mut coerced = IndexMap::new();
        for (name, field) in &definition.fields {
            let path = Path {
                parent: Some(path),
                key: Key::Name(name),
            };
            let value = match (given.get(name.as_str()), &field.default_value) {
                (Some(value), _) => self.value(value, &field.ty, &path),
                (None, Some(default)) => convert::constant(default, &field.ty, self.schema),
                (None, None) if field.ty.is_non_null() => self.refuse_at(
                    &path,
                    &format!("a value of type `{}` is required", field.ty),
                ),
                (None, None) => continue,
            };
            coerced.insert(EngineName::new(name), value);
        }
        for name in given
            .keys()
            .filter(|name| !definition.fields.contains_key(name.as_str()))
        {
            let path = Path {
                parent: Some(path),
                key: Key::Name(name),
            };
            self.refuse_at(
                &path,
                &format!("the type `{}` has no such field", definition.name),
            );
        }
        if is_one_of(definition) {
            if given.len() != 1 {
                self.refuse_at(
                    path,
                    &format!("exactly one field of `{}` must be given", definition.name),
                );
            }
            for (name, _) in given.iter().filter(|(_, value)| value.is_null()) {
                let path = Path {
                    parent: Some(path),
                    key: Key::Name(name),
                };
                self.refuse_at(
                    &path,
                    &format!("the field of `{}` must not be null", definition.name),
                );
            }
        }
        EngineValue::Object(coerced)
    }
}

/// The built-in scalars as section 3.5 says; every other scalar of ours is a string, whose form its resolver knows.
fn scalar(name: &str, value: &Value) -> Option<EngineValue> {
    match (name, value) {
        ("Int", Value::Number(number)) => whole(number)
            .and_then(|int| i32::try_from(int).ok())
            .map(|int| EngineValue::Number(int.into())),
        ("Float", Value::Number(number)) => number
            .as_f64()
            .filter(|float| float.is_finite())
            .map(|_| EngineValue::Number(number.clone())),
        ("Boolean", Value::Bool(value)) => Some(EngineValue::Boolean(*value)),
        ("ID", Value::Number(number)) => {
            whole(number).map(|int| EngineValue::String(int.to_string()))
        }
        ("Int" | "Float" | "Boolean", _) => None,
        (_, Value::String(text)) => Some(EngineValue::String(text.clone())),
        _ => None,
    }
}

/// The number as an integer; `3.0` is one, because JSON does not tell it from `3`.
fn whole(number: &Number) -> Option<i128> {
    /// Up to here every integer has a `f64` of its own.
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

fn first(path: &str) -> &str {
    path.split_once('.').map_or(path, |(name, _)| name)
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
