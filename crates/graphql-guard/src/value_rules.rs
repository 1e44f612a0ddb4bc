//! The rules about literals and uses of variables: "Values of Correct Type", "Input Object Field Names",
//! "Uniqueness" and "Required Fields", "All Variable Usages Are Allowed" (GraphQL specification, sections 5.6 and 5.8.5).
//!
//! apollo-compiler compares only the innermost type of a variable below a list or an input object, lets every list pass
//! where a single value is wanted, and does not know `@oneOf`; so these rules are ours.

mod literals;

use std::collections::{HashMap, HashSet};

use apollo_compiler::ast::{
    Argument, DirectiveList, InputValueDefinition, Type, Value, VariableDefinition,
};
use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use apollo_compiler::schema::{EnumType, ExtendedType, InputObjectType};
use apollo_compiler::{ExecutableDocument, Name, Node};

use self::literals::{accepts, describe};
use super::positions::Lines;
use super::request_error::RequestError;
use super::schema::{Schema, is_one_of, nullable};

/// The errors of all values of all operations.
pub(super) fn check(
    schema: &Schema,
    document: &ExecutableDocument,
    lines: &Lines<'_>,
) -> Vec<RequestError> {
    let mut errors = Vec::new();
    for operation in document.operations.iter() {
        let mut visit = Visit {
            schema,
            document,
            lines,
            operation,
            variables: operation
                .variables
                .iter()
                .map(|variable| (&variable.name, &**variable))
                .collect(),
            seen: HashSet::new(),
            errors: &mut errors,
        };
        visit.operation();
    }
    errors
}

struct Visit<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    lines: &'a Lines<'a>,
    operation: &'a Operation,
    variables: HashMap<&'a Name, &'a VariableDefinition>,
    /// Fragments are checked once for each operation, whose variables they see.
    seen: HashSet<&'a Name>,
    errors: &'a mut Vec<RequestError>,
}

/// The position of a value.
#[derive(Clone, Copy)]
struct Position<'a> {
    ty: &'a Type,
    /// Whether the argument or input field has a default, which lets a nullable variable be used where null is not
    /// allowed.
    has_default: bool,
    /// Whether it is a field of a `@oneOf` input object, where null is not allowed although the type is nullable.
    of_one_of: bool,
}

impl<'a> Visit<'a> {
    fn operation(&mut self) {
        self.directives(&self.operation.directives);
        for variable in &self.operation.variables {
            self.directives(&variable.directives);
            if let Some(default) = &variable.default_value {
                self.value(
                    default,
                    Position {
                        ty: &variable.ty,
                        has_default: false,
                        of_one_of: false,
                    },
                );
            }
        }
        self.selections(&self.operation.selection_set);
    }

    fn selections(&mut self, set: &'a SelectionSet) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives);
                    self.arguments(&field.arguments, &field.definition.arguments);
                    self.selections(&field.selection_set);
                }
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.directives);
                    self.selections(&inline.selection_set);
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives);
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
                        && self.seen.insert(&spread.fragment_name)
                    {
                        self.directives(&fragment.directives);
                        self.selections(&fragment.selection_set);
                    }
                }
            }
        }
    }

    fn directives(&mut self, directives: &'a DirectiveList) {
        for directive in directives {
            if let Some(definition) = self.schema.types.directive_definitions.get(&directive.name) {
                self.arguments(&directive.arguments, &definition.arguments);
            }
        }
    }

    fn arguments(
        &mut self,
        arguments: &'a [Node<Argument>],
        definitions: &[Node<InputValueDefinition>],
    ) {
        for argument in arguments {
            if let Some(definition) = definitions
                .iter()
                .find(|definition| definition.name == argument.name)
            {
                self.value(&argument.value, position(definition));
            }
        }
    }

    fn report(&mut self, value: &Node<Value>, message: impl Into<String>) {
        self.errors.push(RequestError::validation(
            message,
            self.lines.of(value.location()),
        ));
    }

    fn value(&mut self, value: &Node<Value>, position: Position<'_>) {
        let ty = position.ty;
        match (&**value, ty) {
            (Value::Variable(name), _) => self.variable(value, name, position),
            (Value::Null, Type::NonNullNamed(_) | Type::NonNullList(_)) => {
                self.report(
                    value,
                    format!("Expected a value of type `{ty}`, found `null`."),
                );
            }
            (Value::Null, _) => {}
            (Value::List(items), Type::List(item) | Type::NonNullList(item)) => {
                for value in items {
                    self.value(
                        value,
                        Position {
                            ty: item,
                            has_default: false,
                            of_one_of: false,
                        },
                    );
                }
            }
            (_, Type::List(item) | Type::NonNullList(item)) => {
                self.value(
                    value,
                    Position {
                        ty: item,
                        has_default: false,
                        of_one_of: false,
                    },
                );
            }
            (literal, Type::Named(_) | Type::NonNullNamed(_)) => match self.schema.named(ty) {
                Some(ExtendedType::InputObject(object)) => self.object(value, object),
                Some(ExtendedType::Enum(definition)) => self.enum_value(value, definition),
                Some(ExtendedType::Scalar(scalar))
                    if !accepts(self.schema.scalar(&scalar.name), literal) =>
                {
                    self.report(
                        value,
                        format!(
                            "Expected a value of type `{ty}`, found `{}`.",
                            describe(literal)
                        ),
                    );
                }
                // A scalar that accepts any value.
                Some(ExtendedType::Scalar(_)) => self.variables_within(value),
                _ => {}
            },
        }
    }

    /// Looks for variables without a definition where apollo-compiler does not: in literals of scalars that accept any
    /// value.
    fn variables_within(&mut self, literal: &Node<Value>) {
        match &**literal {
            Value::Variable(name) if !self.variables.contains_key(name) => {
                self.report(literal, format!("variable `${name}` is not defined"));
            }
            Value::List(items) => items.iter().for_each(|item| self.variables_within(item)),
            Value::Object(fields) => {
                let values = fields.iter().map(|(_, value)| value);
                values.for_each(|value| self.variables_within(value));
            }
            _ => {}
        }
    }

    fn enum_value(&mut self, value: &Node<Value>, definition: &EnumType) {
        let known = matches!(&**value, Value::Enum(name) if definition.values.contains_key(name));
        if !known {
            let message = format!(
                "Expected a value of type `{}`, found `{}`.",
                definition.name,
                describe(value)
            );
            self.report(value, message);
        }
    }

    fn object(&mut self, value: &Node<Value>, definition: &InputObjectType) {
        let Value::Object(fields) = &**value else {
            let message = format!(
                "Expected a value of type `{}`, found `{}`.",
                definition.name,
                describe(value)
            );
            return self.report(value, message);
        };
        let one_of = is_one_of(definition);
        let mut seen = HashSet::new();
        for (name, value) in fields {
            if !seen.insert(name) {
                self.report(
                    value,
                    format!("There can be only one input field named `{name}`."),
                );
            }
            let Some(field) = definition.fields.get(name) else {
                self.report(
                    value,
                    format!(
                        "The type `{}` has no input field `{name}`.",
                        definition.name
                    ),
                );
                continue;
            };
            if one_of && value.is_null() {
                self.report(
                    value,
                    format!(
                        "The input field `{}.{name}` must not be null.",
                        definition.name
                    ),
                );
            }
            self.value(
                value,
                Position {
                    of_one_of: one_of,
                    ..position(field)
                },
            );
        }
        for (name, field) in &definition.fields {
            if field.is_required() && !seen.contains(name) {
                let message = format!(
                    "The input field `{}.{name}` of type `{}` is required.",
                    definition.name, field.ty
                );
                self.report(value, message);
            }
        }
        if one_of && fields.len() != 1 {
            self.report(
                value,
                format!("Exactly one field of `{}` must be given.", definition.name),
            );
        }
    }

    fn variable(&mut self, value: &Node<Value>, name: &Name, position: Position<'_>) {
        // One that is not defined is reported by apollo-compiler.
        let Some(variable) = self.variables.get(name) else {
            return;
        };
        if !is_allowed(variable, position) {
            let (ty, expected) = (&variable.ty, position.ty);
            let message = if position.of_one_of {
                let expected = expected.clone().non_null();
                format!(
                    "The variable `${name}` of type `{ty}` is used in a `@oneOf` input object, where `{expected}` is expected."
                )
            } else {
                format!(
                    "The variable `${name}` of type `{ty}` is used where `{expected}` is expected."
                )
            };
            self.report(value, message);
        }
    }
}

fn position(definition: &InputValueDefinition) -> Position<'_> {
    Position {
        ty: &definition.ty,
        has_default: definition.default_value.is_some(),
        of_one_of: false,
    }
}

/// `IsVariableUsageAllowed` and `IsNonNullPosition` (GraphQL specification, section 5.8.5).
fn is_allowed(variable: &VariableDefinition, position: Position<'_>) -> bool {
    let is_non_null_position = position.ty.is_non_null() || position.of_one_of;
    if !is_non_null_position || variable.ty.is_non_null() {
        return variable.ty.is_assignable_to(position.ty);
    }
    let has_value = variable
        .default_value
        .as_ref()
        .is_some_and(|default| !default.is_null());
    (has_value || position.has_default) && variable.ty.is_assignable_to(&nullable(position.ty))
}
