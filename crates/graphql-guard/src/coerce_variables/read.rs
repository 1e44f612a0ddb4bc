//! What is known while values are read: how much they hold so far, and what is wrong with them.

use std::collections::HashMap;
use std::fmt;

use apollo_compiler::ast::{Type, VariableDefinition};
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use apollo_compiler::{Name, Node};
use async_graphql::Value as EngineValue;
use async_graphql::indexmap::IndexMap;
use serde::Deserializer as _;

use super::super::limits::{FIELD_BYTES, OBJECT_BYTES, VALUE_BYTES};
use super::super::request_error::{Code, Refusal};
use super::super::schema::Schema;
use super::super::{MAX_REFUSALS, ValueLimits, to_engine};
use super::path::{Key, Path, first};
use super::scalar::{Leaf, scalar};
use super::visit::Given;
use crate::json::ObjectText;

/// So many variables are compared one by one with the names that are given; more are looked up.
const FEW: usize = 8;

/// Reads the values of one request.
pub(super) struct Reader<'a> {
    pub(super) schema: &'a Schema,
    pub(super) limits: &'a ValueLimits,
    /// With the way to each, by which they are sorted: an object's fields may be given in any order.
    pub(super) refusals: Vec<(Vec<usize>, Refusal)>,
    /// What all values take so far.
    bytes: u64,
    /// How many values stand in the lists of the filter that is read.
    pub(super) conditions: usize,
    pub(super) nesting: usize,
    /// Whether there is no sense in reading on: what more is found is not told.
    pub(super) is_over: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(schema: &'a Schema, limits: &'a ValueLimits) -> Self {
        Self {
            schema,
            limits,
            refusals: Vec::new(),
            bytes: 0,
            conditions: 0,
            nesting: 0,
            is_over: false,
        }
    }

    /// What is given for each of the variables; anything where it was refused.
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
        let places = match definitions.len() > FEW {
            true => names.zip(0..).collect(),
            false => HashMap::new(),
        };
        let variables = Given {
            reader: &mut *self,
            definitions,
            places,
            values: &mut values,
        };
        let mut text = serde_json::Deserializer::from_str(given.as_str());
        match text.deserialize_map(variables) {
            Ok(()) => {}
            Err(_) if self.is_over => {}
            // The form of the text has been checked, but not which characters its escapes stand for.
            Err(error) => {
                let message = format!("`variables` is not valid JSON: {error}");
                self.refuse(Vec::new(), Refusal::new(Code::BadRequest, message));
            }
        }
        values
    }

    /// Why values were refused, each reason with the way to the value, in the order of the definitions.
    pub(super) fn into_refusals(mut self) -> Vec<(Vec<usize>, Refusal)> {
        self.refusals
            .sort_by(|(left, _), (right, _)| left.cmp(right));
        self.refusals
    }

    pub(super) fn refuse(&mut self, places: Vec<usize>, refusal: Refusal) {
        if self.refusals.len() < MAX_REFUSALS {
            self.refusals.push((places, refusal));
        }
        self.is_over |= self.refusals.len() >= MAX_REFUSALS;
    }

    pub(super) fn refuse_at(&mut self, path: &Path<'_>, reason: fmt::Arguments<'_>) -> EngineValue {
        if self.refusals.len() < MAX_REFUSALS {
            let field = path.dotted();
            let name = first(&field);
            let message = format!("The variable `${name}` cannot be used: {reason} at `{field}`.");
            self.refuse(path.places(), Refusal::input(field, message));
        }
        EngineValue::Null
    }

    /// The same where reading on would take what the limit is to save.
    pub(super) fn refuse_and_end(&mut self, path: &Path<'_>, reason: fmt::Arguments<'_>) {
        self.refuse_at(path, reason);
        self.is_over = true;
    }

    pub(super) fn take_memory(&mut self, bytes: u64, path: &Path<'_>) {
        self.bytes = self.bytes.saturating_add(bytes);
        let most = self.limits.bytes;
        if self.bytes > most && !self.is_over {
            let reason = format_args!("the values of a request may take {most} bytes of memory");
            self.refuse_and_end(path, reason);
        }
    }

    pub(super) fn null(&mut self, ty: &Type, path: &Path<'_>) -> EngineValue {
        if ty.is_non_null() {
            let reason = format_args!("expected a value of type `{ty}`, found null");
            return self.refuse_at(path, reason);
        }
        EngineValue::Null
    }

    pub(super) fn unexpected(&mut self, ty: &Type, found: &str, path: &Path<'_>) -> EngineValue {
        let ty = ty.inner_named_type();
        let reason = format_args!("expected a value of type `{ty}`, found {found}");
        self.refuse_at(path, reason)
    }

    pub(super) fn leaf(&mut self, leaf: &Leaf<'_>, ty: &Type, path: &Path<'_>) -> EngineValue {
        let (name, lists) = innermost(ty);
        let coerced = match (self.schema.types.types.get(name), leaf) {
            (Some(ExtendedType::Enum(definition)), Leaf::Text(text)) => definition
                .values
                .contains_key(*text)
                .then(|| EngineValue::Enum(async_graphql::Name::new(text))),
            (Some(ExtendedType::InputObject(_) | ExtendedType::Enum(_)), _) => None,
            _ => scalar(name, leaf),
        };
        match coerced {
            Some(value) => self.listed(value, lists, path),
            None => self.unexpected(ty, leaf.describe(), path),
        }
    }

    /// A single value stands for a list of one.
    pub(super) fn listed(
        &mut self,
        value: EngineValue,
        lists: u64,
        path: &Path<'_>,
    ) -> EngineValue {
        self.take_memory(VALUE_BYTES * lists, path);
        (0..lists).fold(value, |value, _| EngineValue::List(vec![value]))
    }

    /// Puts together what was given for the fields, in the order in which the type defines them.
    pub(super) fn object(
        &mut self,
        given: Vec<Option<EngineValue>>,
        definition: &InputObjectType,
        path: &Path<'_>,
    ) -> EngineValue {
        let mut coerced = IndexMap::new();
        for (place, ((name, field), given)) in definition.fields.iter().zip(given).enumerate() {
            let value = match (given, &field.default_value) {
                (Some(value), _) => value,
                (None, Some(default)) => to_engine::constant(default, &field.ty, self.schema),
                (None, None) if field.ty.is_non_null() => {
                    let path = path.then(Key::Field(place, name));
                    let reason = format_args!("a value of type `{}` is required", field.ty);
                    self.refuse_at(&path, reason)
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
