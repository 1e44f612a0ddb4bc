//! The values of variables, as JSON.

use super::{ExtendedType, Generator, Map, Name, Type, Value, json};

impl Generator {
    /// Values for the variables; some are missing, some are wrong.
    pub(super) fn values(&mut self) -> Value {
        let mut values = Map::new();
        let variables: Vec<(String, Type, bool)> = self
            .variables
            .iter()
            .map(|variable| {
                (
                    variable.name.clone(),
                    variable.base.clone(),
                    variable.ty.ends_with('!') && variable.default.is_none(),
                )
            })
            .collect();
        for (name, base, required) in variables {
            if required && !self.mistake() || !self.random.one_in(3) {
                let ty = if required && !self.random.one_in(20) {
                    base.non_null()
                } else {
                    base
                };
                let value = self.json(&ty, 0);
                values.insert(name, value);
            }
        }
        if self.random.one_in(10) {
            values.insert("unknown".to_owned(), json!({ "a": 1 }));
        }
        Value::Object(values)
    }

    pub(super) fn json(&mut self, ty: &Type, depth: usize) -> Value {
        if self.mistake() || self.random.one_in(25) {
            let wrong = [
                json!(1),
                json!(1.5),
                json!("a"),
                json!(true),
                json!(null),
                json!([]),
                json!([null]),
                json!({}),
                json!({"id": 1, "slug": "a"}),
                json!(99_999_999_999_u64),
                json!(3.0),
                json!([[1]]),
            ];
            return wrong[self.random.below(wrong.len())].clone();
        }
        if !ty.is_non_null() && self.random.one_in(8) {
            return Value::Null;
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => {
                if self.random.one_in(5) {
                    return self.json(item, depth);
                }
                (0..self.random.below(3))
                    .map(|_| self.json(item, depth + 1))
                    .collect()
            }
            Type::Named(name) | Type::NonNullNamed(name) => self.json_named(name, depth),
        }
    }

    pub(super) fn json_named(&mut self, name: &Name, depth: usize) -> Value {
        match self.schema.types.get(name).cloned() {
            Some(ExtendedType::InputObject(definition)) => {
                let one_of = definition.directives.has("oneOf");
                let fields: Vec<_> = definition.fields.values().cloned().collect();
                let chosen = self.random.below(fields.len().max(1));
                let mut given = Map::new();
                for (index, field) in fields.iter().enumerate() {
                    let wanted = if one_of {
                        index == chosen
                    } else {
                        field.is_required() || (depth < 3 && self.random.one_in(4))
                    };
                    if wanted {
                        let ty = if one_of {
                            Type::clone(&field.ty).non_null()
                        } else {
                            (*field.ty).clone()
                        };
                        given.insert(field.name.to_string(), self.json(&ty, depth + 1));
                    }
                }
                Value::Object(given)
            }
            Some(ExtendedType::Enum(definition)) => {
                let values: Vec<_> = definition.values.keys().collect();
                json!(values[self.random.below(values.len())].as_str())
            }
            _ => match name.as_str() {
                "Int" => json!([0, 1, 2, 2_147_483_647][self.random.below(4)]),
                "Boolean" => json!(self.random.one_in(2)),
                "ID" => [json!(1), json!("1"), json!("a")][self.random.below(3)].clone(),
                _ => json!(["a", "", "😀\n\""][self.random.below(3)]),
            },
        }
    }
}
