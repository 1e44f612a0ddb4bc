//! The values of variables, coerced to the types that the operation declares (GraphQL specification, section 6.1.2).
//!
//! They are read from the text of the request by these types and held to [`ValueLimits`] while they are read. So nothing
//! is built that would be rejected afterwards, and nothing for a variable that the operation does not declare. Messages
//! never repeat a value: it may be long, or secret.

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

use super::request_error::RequestError;
use super::schema::Schema;
use super::{ValueLimits, to_engine};
use crate::json::ObjectText;

use read::Reader;

/// Errors of variables, each with the position where the document declares the variable.
pub(super) type VariableErrors = Vec<(Option<SourceSpan>, RequestError)>;

/// The coerced values, with defaults. A nullable variable that was left out and has no default is not among them.
pub(super) fn coerce(
    schema: &Schema,
    limits: &ValueLimits,
    definitions: &[Node<VariableDefinition>],
    given: &ObjectText,
) -> Result<Variables, VariableErrors> {
    if definitions.is_empty() {
        return Ok(Variables::default());
    }
    let mut reader = Reader::new(schema, limits);
    let given = reader.read(given, definitions);
    let mut values = IndexMap::with_capacity(definitions.len());
    for (index, (definition, given)) in definitions.iter().zip(given).enumerate() {
        let name = definition.name.as_str();
        let value = match (given, &definition.default_value) {
            (Some(value), _) => value,
            (None, Some(default)) => to_engine::constant(default, &definition.ty, schema),
            (None, None) if definition.ty.is_non_null() => {
                let ty = &definition.ty;
                let message = format!("The variable `${name}` of type `{ty}` is required.");
                reader.report_error(vec![index], RequestError::input(name, message));
                continue;
            }
            (None, None) => continue,
        };
        values.insert(Name::new(name), value);
    }
    let errors = reader.into_errors();
    if errors.is_empty() {
        return Ok(Variables::from_value(Value::Object(values)));
    }
    let located = errors.into_iter().map(|(path, error)| {
        let definition = path.first().and_then(|index| definitions.get(*index));
        (definition.and_then(Node::location), error)
    });
    Err(located.collect())
}
