//! The arguments of fields, as literals and variables.

use super::{ExtendedType, FieldDefinition, Generator, Name, Type, Variable};

impl Generator {
    pub(super) fn arguments(&mut self, definition: &FieldDefinition) -> String {
        let mut arguments = Vec::new();
        for argument in &definition.arguments {
            let given = if argument.is_required() {
                !self.mistake()
            } else {
                self.random.one_in(3)
            };
            if given {
                let value = self.value(&argument.ty, argument.default_value.is_some(), 0);
                arguments.push(format!("{}: {value}", argument.name));
                if self.mistake() {
                    arguments.push(format!("{}: {value}", argument.name));
                }
            }
        }
        if self.mistake() {
            arguments.push("missing: 1".to_owned());
        }
        if arguments.is_empty() {
            String::new()
        } else {
            format!("({})", arguments.join(", "))
        }
    }

    /// A literal or a variable.
    pub(super) fn value(&mut self, ty: &Type, has_default: bool, depth: usize) -> String {
        if self.mistake() {
            let wrong = [
                "1",
                "1.5",
                "\"a\"",
                "true",
                "null",
                "[]",
                "[1]",
                "[[\"a\"]]",
                "{}",
                "{ id: 1 }",
                "CREATED_AT_ASC",
                "$missing",
                "99999999999",
                "-1",
            ];
            return wrong[self.random.below(wrong.len())].to_owned();
        }
        if self.random.one_in(4) {
            return self.variable(ty, has_default);
        }
        if !ty.is_non_null() && self.random.one_in(12) {
            return "null".to_owned();
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => {
                if self.random.one_in(5) {
                    return self.value(item, false, depth);
                }
                let items: Vec<String> = (0..self.random.below(3))
                    .map(|_| self.value(item, false, depth + 1))
                    .collect();
                format!("[{}]", items.join(", "))
            }
            Type::Named(name) | Type::NonNullNamed(name) => self.literal(name, depth),
        }
    }

    pub(super) fn literal(&mut self, name: &Name, depth: usize) -> String {
        match self.schema.types.get(name).cloned() {
            Some(ExtendedType::InputObject(definition)) => {
                let one_of = definition.directives.has("oneOf");
                let fields: Vec<_> = definition.fields.values().cloned().collect();
                let chosen = self.random.below(fields.len().max(1));
                let mut given = Vec::new();
                for (index, field) in fields.iter().enumerate() {
                    let wanted = if one_of {
                        (index == chosen) != self.mistake()
                    } else if field.is_required() {
                        !self.mistake()
                    } else {
                        depth < 3 && self.random.one_in(4)
                    };
                    if wanted {
                        let ty = if one_of && !self.mistake() {
                            Type::clone(&field.ty).non_null()
                        } else {
                            (*field.ty).clone()
                        };
                        given.push(format!(
                            "{}: {}",
                            field.name,
                            self.value(&ty, field.default_value.is_some(), depth + 1)
                        ));
                    }
                }
                if self.mistake() {
                    given.push("title: \"a\"".to_owned());
                }
                format!("{{{}}}", given.join(", "))
            }
            Some(ExtendedType::Enum(definition)) => {
                let values: Vec<_> = definition.values.keys().collect();
                values[self.random.below(values.len())].to_string()
            }
            _ => match name.as_str() {
                "Int" => ["0", "1", "2", "-0", "2147483647"][self.random.below(5)].to_owned(),
                "Boolean" => ["true", "false"][self.random.below(2)].to_owned(),
                "ID" => ["1", "\"1\"", "\"a\"", "0"][self.random.below(4)].to_owned(),
                _ => [
                    "\"a\"",
                    "\"\"",
                    "\"\\u{1F600}\"",
                    "\"😀 \\n\\\"\"",
                    "\"\"\"\n  a\n    \\\"\"\" b\n\"\"\"",
                    "\"\\u00e9\"",
                    "\"\\uD83D\\uDE00\"",
                ][self.random.below(7)]
                .to_owned(),
            },
        }
    }

    /// A new variable for this argument, or an existing one whose type may fit.
    pub(super) fn variable(&mut self, ty: &Type, has_default: bool) -> String {
        let same: Vec<String> = self
            .variables
            .iter()
            .filter(|variable| variable.base.inner_named_type() == ty.inner_named_type())
            .map(|variable| variable.name.clone())
            .collect();
        if !same.is_empty() && (self.mistake() || (self.random.one_in(12))) {
            return format!("${}", same[self.random.below(same.len())]);
        }
        let name = format!("v{}", self.variables.len());
        let nullable = ty.clone().nullable();
        let default = self.random.one_in(4).then(|| self.constant(ty));
        let may_be_nullable = !ty.is_non_null()
            || has_default
            || default.as_deref().is_some_and(|text| text != "null");
        let written = if self.mistake() {
            [
                "Int",
                "String!",
                "[ID!]!",
                "ArticleFilter",
                "Article",
                "Missing",
                "[[Int]]",
            ][self.random.below(7)]
            .to_owned()
        } else if may_be_nullable && !self.random.one_in(4) {
            nullable.to_string()
        } else {
            ty.clone().non_null().to_string()
        };
        self.variables.push(Variable {
            name: name.clone(),
            ty: written,
            default,
            base: ty.clone(),
        });
        format!("${name}")
    }

    /// A literal without variables.
    pub(super) fn constant(&mut self, ty: &Type) -> String {
        loop {
            let before = self.variables.len();
            let text = self.value(ty, false, 2);
            self.variables.truncate(before);
            if !text.contains('$') || self.mistake() {
                return text;
            }
        }
    }
}
