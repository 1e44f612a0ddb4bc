//! Reads one value after another, by its type.

use std::fmt;

use apollo_compiler::Name;
use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use async_graphql::Value as EngineValue;
use async_graphql::indexmap::IndexMap;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

use super::super::limits::{FIELD_BYTES, OBJECT_BYTES, VALUE_BYTES};
use super::super::refusal::{Code, Refusal};
use super::super::schema::{Schema, is_one_of};
use super::super::{MAX_REFUSALS, ValueLimits, convert};
use super::scalar::{Leaf, scalar};

/// How deep lists and objects nest. It bounds our recursion, and is less than what `serde_json` bounds its own by.
const DEEPEST: usize = 100;

/// So many times as much as a limit allows is read: what takes a value knows better what it is for, and says so.
const LENIENCE: usize = 2;

/// Names that the schema does not know are cut off here, in characters: they are the client's own, of any length.
const LONGEST_NAME: usize = 64;

/// Reads the values of one request.
pub(super) struct Reader<'a> {
    schema: &'a Schema,
    limits: &'a ValueLimits,
    /// With the way to each, by which they are sorted: an object's fields may be given in any order.
    refusals: Vec<(Vec<usize>, Refusal)>,
    /// How many were found in all.
    count: usize,
    /// What all values take so far.
    bytes: u64,
    /// How many values stand in the lists of the filter that is read.
    conditions: usize,
    nesting: usize,
    is_over: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(schema: &'a Schema, limits: &'a ValueLimits) -> Self {
        Self {
            schema,
            limits,
            refusals: Vec::new(),
            count: 0,
            bytes: 0,
            conditions: 0,
            nesting: 0,
            is_over: false,
        }
    }

    /// The value of a variable; anything where it was refused.
    pub(super) fn read(&mut self, text: &RawValue, name: &str, ty: &Type) -> EngineValue {
        (self.conditions, self.nesting) = (0, 0);
        let path = Path {
            parent: None,
            key: Key::Field(0, name),
        };
        let seed = Seed {
            reader: self,
            ty,
            path: &path,
            is_condition: false,
        };
        let mut deserializer = serde_json::Deserializer::from_str(text.get());
        match seed.deserialize(&mut deserializer) {
            Ok(value) => value,
            Err(_) if self.is_over => EngineValue::Null,
            // The form of the text has been checked, but not which characters its escapes stand for.
            Err(error) => {
                let message = format!("the value of `${name}` is not valid JSON: {error}");
                self.refuse(Refusal::new(Code::BadRequest, message));
                EngineValue::Null
            }
        }
    }

    /// Whether there is no sense in reading on: what more is found is not told.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Why the value was refused that was read last.
    pub(super) fn take_refusals(&mut self) -> impl Iterator<Item = Refusal> + use<> {
        let mut refusals = std::mem::take(&mut self.refusals);
        refusals.sort_by(|(left, _), (right, _)| left.cmp(right));
        refusals.into_iter().map(|(_, refusal)| refusal)
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.push(Vec::new(), refusal);
    }

    fn refuse_at(&mut self, path: &Path<'_>, reason: fmt::Arguments<'_>) -> EngineValue {
        if self.count < MAX_REFUSALS {
            let field = path.dotted();
            let name = first(&field);
            let message = format!("The variable `${name}` cannot be used: {reason} at `{field}`.");
            self.push(path.places(), Refusal::input(field, message));
        }
        EngineValue::Null
    }

    fn push(&mut self, places: Vec<usize>, refusal: Refusal) {
        if self.count < MAX_REFUSALS {
            self.refusals.push((places, refusal));
            self.count += 1;
        }
        self.is_over |= self.count >= MAX_REFUSALS;
    }

    /// The same where reading on would take what the limit is to save.
    fn refuse_and_end(&mut self, path: &Path<'_>, reason: fmt::Arguments<'_>) {
        self.refuse_at(path, reason);
        self.is_over = true;
    }

    fn take_memory(&mut self, bytes: u64, path: &Path<'_>) {
        self.bytes = self.bytes.saturating_add(bytes);
        let most = self.limits.bytes;
        if self.bytes > most && !self.is_over {
            let reason = format_args!("the values of a request may take {most} bytes of memory");
            self.refuse_and_end(path, reason);
        }
    }

    fn null(&mut self, ty: &Type, path: &Path<'_>) -> EngineValue {
        if ty.is_non_null() {
            let reason = format_args!("expected a value of type `{ty}`, found null");
            return self.refuse_at(path, reason);
        }
        EngineValue::Null
    }

    fn unexpected(&mut self, ty: &Type, found: &str, path: &Path<'_>) -> EngineValue {
        let ty = ty.inner_named_type();
        let reason = format_args!("expected a value of type `{ty}`, found {found}");
        self.refuse_at(path, reason)
    }

    fn leaf(&mut self, leaf: &Leaf<'_>, ty: &Type, path: &Path<'_>) -> EngineValue {
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
    fn listed(&mut self, value: EngineValue, lists: u64, path: &Path<'_>) -> EngineValue {
        self.take_memory(VALUE_BYTES * lists, path);
        (0..lists).fold(value, |value, _| EngineValue::List(vec![value]))
    }

    /// Puts together what was given for the fields, in the order in which the type defines them.
    fn object(
        &mut self,
        given: Vec<Option<EngineValue>>,
        definition: &InputObjectType,
        path: &Path<'_>,
    ) -> EngineValue {
        let mut coerced = IndexMap::new();
        for (place, ((name, field), given)) in definition.fields.iter().zip(given).enumerate() {
            let value = match (given, &field.default_value) {
                (Some(value), _) => value,
                (None, Some(default)) => convert::constant(default, &field.ty, self.schema),
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

/// A step of the way to a value. Kept on the stack and written only when something is wrong.
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    key: Key<'a>,
}

enum Key<'a> {
    /// A field, and its place in the type's definition.
    Field(usize, &'a str),
    Index(usize),
}

/// The place of a field that the definition does not have.
const NOWHERE: usize = usize::MAX;

impl Path<'_> {
    fn then<'a>(&'a self, key: Key<'a>) -> Path<'a> {
        Path {
            parent: Some(self),
            key,
        }
    }

    fn places(&self) -> Vec<usize> {
        let mut places = self.parent.map(Path::places).unwrap_or_default();
        let (Key::Field(place, _) | Key::Index(place)) = self.key;
        places.push(place);
        places
    }

    fn dotted(&self) -> String {
        let key = match self.key {
            Key::Field(_, name) => name.to_owned(),
            Key::Index(index) => index.to_string(),
        };
        self.parent
            .map_or(key.clone(), |parent| format!("{}.{key}", parent.dotted()))
    }
}

fn cut(name: &str) -> &str {
    let end = name.char_indices().nth(LONGEST_NAME);
    end.map_or(name, |(end, _)| &name[..end])
}

fn first(path: &str) -> &str {
    path.split_once('.').map_or(path, |(name, _)| name)
}

/// The type within the lists, and how many lists there are around it.
fn innermost(mut ty: &Type) -> (&Name, u64) {
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

/// Reads the value at `path`.
struct Seed<'r, 'a, 'p> {
    reader: &'r mut Reader<'a>,
    ty: &'p Type,
    path: &'p Path<'p>,
    /// It stands in a list of a filter.
    is_condition: bool,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, '_> {
    type Value = EngineValue;

    fn deserialize<D: serde::Deserializer<'de>>(self, text: D) -> Result<EngineValue, D::Error> {
        self.reader.take_memory(VALUE_BYTES, self.path);
        if self.is_condition {
            self.reader.conditions += 1;
            let most = self.reader.limits.conditions;
            if self.reader.conditions > most.saturating_mul(LENIENCE) {
                let reason = format_args!("a filter may have at most {most} conditions");
                self.reader.refuse_and_end(self.path, reason);
            }
        }
        if self.reader.is_over {
            return Err(D::Error::custom("over"));
        }
        text.deserialize_any(self)
    }
}

impl Seed<'_, '_, '_> {
    fn leaf(self, leaf: &Leaf<'_>) -> EngineValue {
        self.reader.leaf(leaf, self.ty, self.path)
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.reader.nesting += 1;
        if self.reader.nesting <= DEEPEST {
            return Ok(());
        }
        let reason = format_args!("values may nest at most {DEEPEST} deep");
        self.reader.refuse_and_end(self.path, reason);
        Err(E::custom("over"))
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_, '_> {
    type Value = EngineValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<EngineValue, E> {
        Ok(self.reader.null(self.ty, self.path))
    }

    fn visit_bool<E>(self, value: bool) -> Result<EngineValue, E> {
        Ok(self.leaf(&Leaf::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<EngineValue, E> {
        Ok(self.leaf(&Leaf::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<EngineValue, E> {
        Ok(self.leaf(&Leaf::Number(value.into())))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<EngineValue, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        Ok(self.leaf(&Leaf::Number(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<EngineValue, E> {
        Ok(self.leaf(&Leaf::Text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<EngineValue, A::Error> {
        self.enter()?;
        let Self {
            reader, ty, path, ..
        } = self;
        let (Type::List(item) | Type::NonNullList(item)) = ty else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            reader.nesting -= 1;
            return Ok(reader.unexpected(ty, "a list", path));
        };
        let is_condition = reader.schema.is_filter(item.inner_named_type());
        let mut values = Vec::new();
        while values.len() < reader.limits.list.saturating_mul(LENIENCE) {
            let path = path.then(Key::Index(values.len()));
            let seed = Seed {
                reader: &mut *reader,
                ty: item,
                path: &path,
                is_condition,
            };
            match items.next_element_seed(seed)? {
                Some(value) => values.push(value),
                None => break,
            }
        }
        let mut count = values.len();
        while items.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        reader.nesting -= 1;
        if count > values.len() {
            let most = reader.limits.list;
            let reason = format_args!("expected at most {most} values, found {count}");
            return Ok(reader.refuse_at(path, reason));
        }
        Ok(EngineValue::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<EngineValue, A::Error> {
        self.enter()?;
        let Self {
            reader, ty, path, ..
        } = self;
        let (name, lists) = innermost(ty);
        let Some(ExtendedType::InputObject(definition)) = reader.schema.types.types.get(name)
        else {
            while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            reader.nesting -= 1;
            return Ok(reader.unexpected(ty, "an object", path));
        };
        let one_of = is_one_of(definition);
        let mut given = vec![None; definition.fields.len()];
        let mut count = 0;
        while let Some(field) = fields.next_key_seed(FieldName(definition))? {
            let (path, definition, slot) = match &field {
                Field::Known(place) => {
                    let known = definition.fields.get_index(*place);
                    let Some(((name, definition), slot)) = known.zip(given.get_mut(*place)) else {
                        continue;
                    };
                    (path.then(Key::Field(*place, name)), definition, slot)
                }
                Field::Unknown(name) => {
                    count += 1;
                    fields.next_value::<IgnoredAny>()?;
                    let reason = format_args!("the type `{}` has no such field", definition.name);
                    reader.refuse_at(&path.then(Key::Field(NOWHERE, name)), reason);
                    if reader.is_over {
                        return Err(A::Error::custom("over"));
                    }
                    continue;
                }
            };
            count += usize::from(slot.is_none());
            let seed = Seed {
                reader: &mut *reader,
                ty: &definition.ty,
                path: &path,
                is_condition: false,
            };
            let value = fields.next_value_seed(seed)?;
            if one_of && value == EngineValue::Null && reader.refusals.is_empty() {
                let reason =
                    format_args!("the field of `{}` must not be null", ty.inner_named_type());
                reader.refuse_at(&path, reason);
            }
            *slot = Some(value);
        }
        reader.nesting -= 1;
        if one_of && count != 1 {
            let reason = format_args!("exactly one field of `{name}` must be given");
            reader.refuse_at(path, reason);
        }
        let object = reader.object(given, definition, path);
        Ok(reader.listed(object, lists, path))
    }
}

/// Reads the name of a field.
struct FieldName<'a>(&'a InputObjectType);

enum Field {
    /// Its place in the definition.
    Known(usize),
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Field;

    fn deserialize<D: serde::Deserializer<'de>>(self, name: D) -> Result<Field, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = Field;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        let known = self.0.fields.get_index_of(name);
        Ok(known.map_or_else(|| Field::Unknown(cut(name).to_owned()), Field::Known))
    }
}
