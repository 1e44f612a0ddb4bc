//! The values of variables, coerced to the types that the operation declares (GraphQL specification, section 6.1.2).
//!
//! They are read from the request's text by those types and held to [`ValueLimits`] while they are read, so that
//! nothing is built that would be refused afterwards, and nothing at all for a variable that no operation declares.
//! Messages never repeat a value: it may be long, or secret.

mod read;
mod scalar;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use apollo_compiler::Node;
use apollo_compiler::ast::VariableDefinition;
use apollo_compiler::parser::SourceSpan;
use async_graphql::{Name, Value, Variables};
use serde_json::value::RawValue;

use super::refusal::{Code, Refusal};
use super::schema::Schema;
use super::{ValueLimits, convert};
use crate::json::{self, ObjectText};

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
    let texts = declared(definitions, given).map_err(|refusal| vec![(None, refusal)])?;
    let mut reader = Reader::new(schema, limits);
    let mut refusals = Refusals::new();
    let mut values = BTreeMap::new();
    for (definition, text) in definitions.iter().zip(texts) {
        let name = definition.name.as_str();
        let value = match (text, &definition.default_value) {
            (Some(text), _) => Some(reader.read(text, name, &definition.ty)),
            (None, Some(default)) => Some(convert::constant(default, &definition.ty, schema)),
            (None, None) if definition.ty.is_non_null() => {
                let ty = &definition.ty;
                let message = format!("The variable `${name}` of type `{ty}` is required.");
                reader.refuse(Refusal::input(name, message));
                None
            }
            (None, None) => None,
        };
        let found = reader.take_refusals();
        refusals.extend(found.map(|refusal| (definition.location(), refusal)));
        if reader.is_over() {
            break;
        }
        values.extend(value.map(|value| (Name::new(name), value)));
    }
    if refusals.is_empty() {
        let values = Value::Object(values.into_iter().collect());
        Ok(Variables::from_value(values))
    } else {
        Err(refusals)
    }
}

/// So many names are compared one by one; more are looked up.
const FEW: usize = 8;

/// The text of each declared variable's value.
fn declared<'text>(
    definitions: &[Node<VariableDefinition>],
    given: &'text ObjectText,
) -> Result<Vec<Option<&'text RawValue>>, Refusal> {
    let mut found = vec![None; definitions.len()];
    if given.is_absent() || definitions.is_empty() {
        return Ok(found);
    }
    let text = given.as_str().as_bytes();
    let names = definitions
        .iter()
        .map(|definition| definition.name.as_str());
    let read = if definitions.len() > FEW {
        let places: HashMap<&str, usize> = names.zip(0..).collect();
        json::find(text, &mut found, |name| places.get(name).copied())
    } else {
        json::find(text, &mut found, |name| {
            names.clone().position(|known| known == name)
        })
    };
    match read {
        Ok(_) => Ok(found),
        Err(error) => Err(Refusal::new(
            Code::BadRequest,
            format!("`variables` is not valid JSON: {error}"),
        )),
    }
}
