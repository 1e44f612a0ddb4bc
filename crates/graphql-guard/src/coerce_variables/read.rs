//! The state of reading variables: how much the values hold so far, and the errors found.

use std::collections::HashMap;
use std::fmt;

use apollo_compiler::ast::{Type, VariableDefinition};
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use apollo_compiler::{Name, Node};
use async_graphql::Value as EngineValue;
use async_graphql::indexmap::IndexMap;
use serde::Deserializer as _;

use super::super::limits::{FIELD_BYTES, OBJECT_BYTES, VALUE_BYTES};
use super::super::request_error::{Code, RequestError};
use super::super::schema::Schema;
use super::super::{MAX_ERRORS, ValueLimits, to_engine};
use super::path::{Key, Path, first};
use super::scalar::{Leaf, scalar};
use super::visit::Given;
use crate::json::ObjectText;

/// Up to this number of variables names are compared one by one; more are looked up in a map.
const FEW: usize = 8;

/// Reads the values of one request.
pub(super) struct Reader<'a> {
    pub(super) schema: &'a Schema,
    pub(super) limits: &'a ValueLimits,
    /// Sorted by the path of each value later, because the fields of an object may come in any order.
    pub(super) errors: Vec<(Vec<usize>, RequestError)>,
    /// The memory of all values so far, in bytes.
    bytes: u64,
    /// The values in lists of the current filter.
    pub(super) conditions: usize,
    pub(super) nesting: usize,
    /// Whether to stop reading, because no further error would be reported.
    pub(super) is_over: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(schema: &'a Schema, limits: &'a ValueLimits) -> Self {
        Self {
            schema,
            limits,
            errors: Vec::new(),
            bytes: 0,
            conditions: 0,
            nesting: 0,
            is_over: false,
        }
    }

    /// The value of each variable, if it is given; any value where there is an error.
    pub(super) fn read(
        &mut self,
        given: &ObjectText,
        definitions: &[Node<VariableDefinition>],
    ) -> Vec<Option<EngineValue>> {
        let mut values = vec![None; definitions.len()];
        if given.is_absent() {
            return values;
        }
        let names = definitions
            .iter()
            .map(|definition| definition.name.as_str());
        let indices = match definitions.len() > FEW {
            true => names.zip(0..).collect(),
            false => HashMap::new(),
        };
        let variables = Given {
            reader: &mut *self,
            definitions,
            indices,
            values: &mut values,
        };
        let mut text = serde_json::Deserializer::from_str(given.as_str());
        match text.deserialize_map(variables) {
            Ok(()) => {}
            Err(_) if self.is_over => {}
            // The syntax of the text has been checked, but not its escapes.
            Err(error) => {
                let message = format!("`variables` is not valid JSON: {error}");
                self.report_error(Vec::new(), RequestError::new(Code::BadRequest, message));
            }
        }
        values
    }

    /// The errors, each with the path of the value, in the order of the definitions.
    pub(super) fn into_errors(mut self) -> Vec<(Vec<usize>, RequestError)> {
        self.errors.sort_by(|(left, _), (right, _)| left.cmp(right));
        self.errors
    }

    pub(super) fn report_error(&mut self, path: Vec<usize>, error: RequestError) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push((path, error));
        }
        self.is_over |= self.errors.len() >= MAX_ERRORS;
    }

    pub(super) fn report(&mut self, path: &Path<'_>, reason: fmt::Arguments<'_>) -> EngineValue {
        if self.errors.len() < MAX_ERRORS {
            let field = path.dotted();
            let name = first(&field);
            let message = format!("The variable `${name}` cannot be used: {reason} at `{field}`.");
            self.report_error(path.indices(), RequestError::input(field, message));
        }
        EngineValue::Null
    }

    /// The same, and stops reading: going on would use what the limit protects.
    pub(super) fn report_and_stop(&mut self, path: &Path<'_>, reason: fmt::Arguments<'_>) {
        self.report(path, reason);
        self.is_over = true;
    }

    pub(super) fn take_memory(&mut self, bytes: u64, path: &Path<'_>) {
        self.bytes = self.bytes.saturating_add(bytes);
        let most = self.limits.bytes;
        if self.bytes > most && !self.is_over {
            let reason = format_args!("the values of a request may take {most} bytes of memory");
            self.report_and_stop(path, reason);
        }
    }

    pub(super) fn null(&mut self, ty: &Type, path: &Path<'_>) -> EngineValue {
        if ty.is_non_null() {
            let reason = format_args!("expected a value of type `{ty}`, found null");
            return self.report(path, reason);
        }
        EngineValue::Null
    }

    /// The type of the items, where `ty` is a scalar that accepts lists and objects.
    pub(super) fn anything(&self, ty: &Type) -> Option<Type> {
        match ty {
            Type::Named(name) | Type::NonNullNamed(name) => self.anything_named(name),
            Type::List(_) | Type::NonNullList(_) => None,
        }
    }

    pub(super) fn anything_named(&self, name: &Name) -> Option<Type> {
        let is_any = self.schema.accepts_anything(name);
        is_any.then(|| Type::Named(name.clone()))
    }

    pub(super) fn unexpected(&mut self, ty: &Type, found: &str, path: &Path<'_>) -> EngineValue {
        let ty = ty.inner_named_type();
        let reason = format_args!("expected a value of type `{ty}`, found {found}");
        self.report(path, reason)
    }

    pub(super) fn leaf(&mut self, leaf: &Leaf<'_>, ty: &Type, path: &Path<'_>) -> EngineValue {
        let (name, lists) = innermost(ty);
        let coerced = match (self.schema.types.types.get(name), leaf) {
            (Some(ExtendedType::Enum(definition)), Leaf::Text(text)) => definition
                .values
                .contains_key(*text)
                .then(|| EngineValue::Enum(async_graphql::Name::new(text))),
            (Some(ExtendedType::InputObject(_) | ExtendedType::Enum(_)), _) => None,
            _ => scalar(self.schema.scalar(name), leaf),
        };
        match coerced {
            Some(value) => self.wrapped_in_lists(value, lists, path),
            None => self.unexpected(ty, leaf.describe(), path),
        }
    }

    /// A single value is a list of one.
    pub(super) fn wrapped_in_lists(
        &mut self,
        value: EngineValue,
        lists: u64,
        path: &Path<'_>,
    ) -> EngineValue {
        self.take_memory(VALUE_BYTES * lists, path);
        (0..lists).fold(value, |value, _| EngineValue::List(vec![value]))
    }

    /// Builds an object from the values of its fields, in the order in which the type defines them.
    pub(super) fn object(
        &mut self,
        given: Vec<Option<EngineValue>>,
        definition: &InputObjectType,
        path: &Path<'_>,
    ) -> EngineValue {
        let mut coerced = IndexMap::new();
        for (index, ((name, field), given)) in definition.fields.iter().zip(given).enumerate() {
            let value = match (given, &field.default_value) {
                (Some(value), _) => value,
                (None, Some(default)) => to_engine::constant(default, &field.ty, self.schema),
                (None, None) if field.ty.is_non_null() => {
                    let path = path.then(Key::Field(index, name));
                    let reason = format_args!("a value of type `{}` is required", field.ty);
                    self.report(&path, reason)
                }
                (None, None) => continue,
            };
            coerced.insert(async_graphql::Name::new(name), value);
        }
        if !coerced.is_empty() {
            self.take_memory(OBJECT_BYTES + FIELD_BYTES * coerced.len() as u64, path);
        }
        EngineValue::Object(coerced)
    }
}

/// The type within the lists, and how many lists there are around it.
pub(super) fn innermost(mut ty: &Type) -> (&Name, u64) {
    let mut lists = 0;
    loop {
        match ty {
            Type::List(item) | Type::NonNullList(item) => {
                ty = item;
                lists += 1;
            }
            Type::Named(name) | Type::NonNullNamed(name) => return (name, lists),
        }
    }
}
