//! Reads the text of the variables, each value by its expected type.

use std::collections::HashMap;
use std::fmt;

use apollo_compiler::Node;
use apollo_compiler::ast::{Type, VariableDefinition};
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use async_graphql::Value as EngineValue;
use async_graphql::indexmap::IndexMap;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::super::limits::{FIELD_BYTES, OBJECT_BYTES, VALUE_BYTES};
use super::super::schema::is_one_of;
use super::path::{Key, Path, UNKNOWN, cut};
use super::read::{Reader, innermost};
use super::scalar::Leaf;
use crate::json;

/// The deepest nesting of lists and objects. It bounds our recursion, and is below the limit of `serde_json`.
const MAX_NESTING: usize = 100;

/// Values of up to this multiple of a limit are read, so that the resolver can reject them with a better message.
const TOLERANCE: usize = 2;

/// Reads the values of variables, and skips those that are not declared.
pub(super) struct Given<'r, 'a, 'd> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) definitions: &'d [Node<VariableDefinition>],
    /// The indices of the definitions, where there are many.
    pub(super) indices: HashMap<&'d str, usize>,
    pub(super) values: &'r mut [Option<EngineValue>],
}

impl<'de> Visitor<'de> for Given<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut variables: A) -> Result<(), A::Error> {
        let Self {
            reader,
            definitions,
            indices,
            values,
        } = self;
        let index = |name: &str| match indices.is_empty() {
            true => definitions.iter().position(|known| known.name == name),
            false => indices.get(name).copied(),
        };
        while let Some(index) = variables.next_key_seed(json::Index(&index))? {
            let definition = index.and_then(|index| Some((index, definitions.get(index)?)));
            let Some((index, definition)) = definition else {
                variables.next_value::<IgnoredAny>()?;
                continue;
            };
            (reader.conditions, reader.nesting) = (0, 0);
            let path = Path {
                parent: None,
                key: Key::Field(index, &definition.name),
            };
            let seed = Seed {
                reader: &mut *reader,
                ty: &definition.ty,
                path: &path,
                is_condition: false,
            };
            let value = variables.next_value_seed(seed)?;
            if let Some(known) = values.get_mut(index) {
                *known = Some(value);
            }
        }
        Ok(())
    }
}

/// Reads the value at `path`.
struct Seed<'r, 'a, 'p> {
    reader: &'r mut Reader<'a>,
    ty: &'p Type,
    path: &'p Path<'p>,
    /// Whether it is an item of a list in a filter.
    is_condition: bool,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, '_> {
    type Value = EngineValue;

    fn deserialize<D: serde::Deserializer<'de>>(self, text: D) -> Result<EngineValue, D::Error> {
        self.reader.take_memory(VALUE_BYTES, self.path);
        if self.is_condition {
            self.reader.conditions += 1;
            let most = self.reader.limits.conditions;
            if self.reader.conditions > most.saturating_mul(TOLERANCE) {
                let reason = format_args!("a filter may have at most {most} conditions");
                self.reader.report_and_stop(self.path, reason);
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
        if self.reader.nesting <= MAX_NESTING {
            return Ok(());
        }
        let reason = format_args!("values may nest at most {MAX_NESTING} deep");
        self.reader.report_and_stop(self.path, reason);
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
        let anything = reader.anything(ty);
        let item = match ty {
            Type::List(item) | Type::NonNullList(item) => Some(&**item),
            Type::Named(_) | Type::NonNullNamed(_) => anything.as_ref(),
        };
        let Some(item) = item else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            reader.nesting -= 1;
            return Ok(reader.unexpected(ty, "a list", path));
        };
        let is_condition = reader.schema.is_filter(item.inner_named_type());
        let mut values = Vec::new();
        while values.len() < reader.limits.list.saturating_mul(TOLERANCE) {
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
            return Ok(reader.report(path, reason));
        }
        Ok(EngineValue::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<EngineValue, A::Error> {
        self.enter()?;
        let Self {
            reader, ty, path, ..
        } = self;
        let (name, lists) = innermost(ty);
        if let Some(anything) = reader.anything_named(name) {
            let object = read_any(reader, &anything, path, fields)?;
            reader.nesting -= 1;
            return Ok(reader.wrapped_in_lists(object, lists, path));
        }
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
                Field::Known(index) => {
                    let known = definition.fields.get_index(*index);
                    let Some(((name, definition), slot)) = known.zip(given.get_mut(*index)) else {
                        continue;
                    };
                    (path.then(Key::Field(*index, name)), definition, slot)
                }
                Field::Unknown(name) => {
                    count += 1;
                    fields.next_value::<IgnoredAny>()?;
                    let reason = format_args!("the type `{}` has no such field", definition.name);
                    reader.report(&path.then(Key::Field(UNKNOWN, name)), reason);
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
            if one_of && value == EngineValue::Null && reader.errors.is_empty() {
                let reason =
                    format_args!("the field of `{}` must not be null", ty.inner_named_type());
                reader.report(&path, reason);
            }
            *slot = Some(value);
        }
        reader.nesting -= 1;
        if one_of && count != 1 {
            let reason = format_args!("exactly one field of `{name}` must be given");
            reader.report(path, reason);
        }
        let object = reader.object(given, definition, path);
        Ok(reader.wrapped_in_lists(object, lists, path))
    }
}

/// Reads an object of a scalar that accepts any value; `ty` is the scalar.
fn read_any<'de, A: MapAccess<'de>>(
    reader: &mut Reader<'_>,
    ty: &Type,
    path: &Path<'_>,
    mut fields: A,
) -> Result<EngineValue, A::Error> {
    let mut object = IndexMap::new();
    while let Some(name) = fields.next_key::<String>()? {
        let path = path.then(Key::Field(UNKNOWN, cut(&name)));
        reader.take_memory(FIELD_BYTES + name.len() as u64, &path);
        let seed = Seed {
            reader: &mut *reader,
            ty,
            path: &path,
            is_condition: false,
        };
        let value = fields.next_value_seed(seed)?;
        object.insert(async_graphql::Name::new(name), value);
    }
    if !object.is_empty() {
        reader.take_memory(OBJECT_BYTES, path);
    }
    Ok(EngineValue::Object(object))
}

/// Reads the name of a field.
struct FieldName<'a>(&'a InputObjectType);

enum Field {
    /// Its index in the definition.
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
