//! The values of variables, coerced to the types that the operation declares (GraphQL specification, section 6.1.2).
//!
//! They are read from the request's text by those types and held to [`ValueLimits`] while they are read, so that
//! nothing is built that would be refused afterwards, and nothing at all for a variable that no operation declares.
//! Messages never repeat a value: it may be long, or secret.

mod path;
mod read;
mod scalar;
#[cfg(test)]
mod tests;
mod visit;

use apollo_compiler::Node;
use apollo_compiler::ast::VariableDefinition;
use apollo_compiler::parser::SourceSpan;
use async_graphql::indexmap::IndexMap;
use async_graphql::{Name, Value, Variables};

use super::request_error::Refusal;
use super::schema::Schema;
use super::{ValueLimits, to_engine};
use crate::json::ObjectText;

use read::Reader;

/// Why a request's variables are refused, each reason with the place where the document declares the variable.
pub(super) type Refusals = Vec<(Option<SourceSpan>, Refusal)>;

/// The coerced values, defaults put in. A nullable variable that was not given and has no default is not among them.
pub(super) fn coerce(
    schema: &Schema,
    limits: &ValueLimits,
    definitions: &[Node<VariableDefinition>],
    given: &ObjectText,
) -> Result<Variables, Refusals> {
    if definitions.is_empty() {
        return Ok(Variables::default());
    }
    let mut reader = Reader::new(schema, limits);
    let given = reader.read(given, definitions);
    let mut values = IndexMap::with_capacity(definitions.len());
    for (place, (definition, given)) in definitions.iter().zip(given).enumerate() {
        let name = definition.name.as_str();
        let value = match (given, &definition.default_value) {
            (Some(value), _) => value,
            (None, Some(default)) => to_engine::constant(default, &definition.ty, schema),
            (None, None) if definition.ty.is_non_null() => {
                let ty = &definition.ty;
                let message = format!("The variable `${name}` of type `{ty}` is required.");
                reader.refuse(vec![place], Refusal::input(name, message));
                continue;
            }
            (None, None) => continue,
        };
        values.insert(Name::new(name), value);
    }
    let refusals = reader.into_refusals();
    if refusals.is_empty() {
        return Ok(Variables::from_value(Value::Object(values)));
    }
    let located = refusals.into_iter().map(|(places, refusal)| {
        let definition = places.first().and_then(|place| definitions.get(*place));
        (definition.and_then(Node::location), refusal)
    });
    Err(located.collect())
}
