//! What the plain form of an operation depends on besides its text: which variables are there, which are null, and what
//! the conditions of `@skip` and `@include` say. Requests of the same shape share one plain form.

use std::collections::HashSet;

use apollo_compiler::ast::{Type, Value, VariableDefinition};
use apollo_compiler::executable::{DirectiveList, Selection, SelectionSet};
use apollo_compiler::{ExecutableDocument, Node};
use async_graphql::{Value as EngineValue, Variables};

use super::normal::Conditions;
use super::refusal::Refusal;

/// As much as the plain form needs to know of one variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Given {
    /// Left out, and without a default.
    Absent,
    Null,
    /// A condition that holds, or not.
    True,
    False,
    /// Any value of any other variable.
    Value,
}

/// What a request gives for the variables of its operation, in the order of their definitions.
#[derive(Debug, Default)]
pub(super) struct Shape<'a> {
    pub(super) definitions: &'a [Node<VariableDefinition>],
    pub(super) given: Box<[Given]>,
}

impl<'a> Shape<'a> {
    /// The shape of coerced variables. `conditions` are the variables that `@skip` and `@include` use.
    pub(super) fn new(
        definitions: &'a [Node<VariableDefinition>],
        variables: &Variables,
        conditions: &HashSet<String>,
    ) -> Self {
        let given =
            definitions
                .iter()
                .map(|definition| match variables.get(definition.name.as_str()) {
                    None => Given::Absent,
                    Some(EngineValue::Null) => Given::Null,
                    Some(EngineValue::Boolean(value))
                        if conditions.contains(definition.name.as_str()) =>
                    {
                        if *value {
                            Given::True
                        } else {
                            Given::False
                        }
                    }
                    Some(_) => Given::Value,
                });
        Self {
            definitions,
            given: given.collect(),
        }
    }

    /// What is given for a variable.
    pub(super) fn of(&self, name: &str) -> Given {
        let index = self
            .definitions
            .iter()
            .position(|definition| definition.name == name);
        index
            .and_then(|index| self.given.get(index))
            .copied()
            .unwrap_or(Given::Absent)
    }

    /// Refuses a condition that is null: its variable may be nullable when it has a default.
    pub(super) fn check_conditions(
        &self,
        conditions: &HashSet<String>,
    ) -> Result<(), Vec<Refusal>> {
        let null = self
            .definitions
            .iter()
            .zip(&self.given)
            .find(|(definition, given)| {
                **given == Given::Null
                    && conditions.contains(definition.name.as_str())
                    && is_boolean(&definition.ty)
            });
        null.map_or(Ok(()), |(definition, _)| {
            let name = &definition.name;
            Err(vec![Refusal::input(
                name.as_str(),
                format!("The variable `${name}` is a condition and must not be null."),
            )])
        })
    }
}

fn is_boolean(ty: &Type) -> bool {
    matches!(ty, Type::Named(name) | Type::NonNullNamed(name) if name == "Boolean")
}

impl Conditions for Shape<'_> {
    fn hold(&self, directives: &DirectiveList) -> bool {
        !self.says(directives, "skip", true) && !self.says(directives, "include", false)
    }
}

impl Shape<'_> {
    /// Whether the directive is there and its condition is `expected`.
    fn says(&self, directives: &DirectiveList, name: &str, expected: bool) -> bool {
        let condition = directives
            .get(name)
            .and_then(|directive| directive.specified_argument_by_name("if"));
        condition.is_some_and(|condition| match &**condition {
            Value::Boolean(value) => *value == expected,
            Value::Variable(variable) => match self.of(variable) {
                Given::True => expected,
                Given::False => !expected,
                Given::Absent | Given::Null | Given::Value => false,
            },
            _ => false,
        })
    }
}

/// The variables that `@skip` and `@include` use, anywhere in the document.
pub(super) fn conditions(document: &ExecutableDocument) -> HashSet<String> {
    let mut names = HashSet::new();
    let operations = document
        .operations
        .iter()
        .map(|operation| &operation.selection_set);
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.selection_set);
    for set in operations.chain(fragments) {
        collect(set, &mut names);
    }
    names
}

fn collect(set: &SelectionSet, names: &mut HashSet<String>) {
    for selection in &set.selections {
        for directive in selection.directives().iter() {
            let values = directive.arguments.iter().map(|argument| &*argument.value);
            names.extend(
                values
                    .filter_map(|value| value.as_variable())
                    .map(ToString::to_string),
            );
        }
        match selection {
            Selection::Field(field) => collect(&field.selection_set, names),
            Selection::InlineFragment(inline) => collect(&inline.selection_set, names),
            Selection::FragmentSpread(_) => {}
        }
    }
}
