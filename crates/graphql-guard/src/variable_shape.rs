//! What the normalized form of an operation depends on besides its text: which variables are given, which of them are
//! null, and the values of variables in conditions. Requests with the same shape share one normalized operation.

use std::collections::{HashMap, HashSet};

use apollo_compiler::ast::{Value, VariableDefinition};
use apollo_compiler::executable::{DirectiveList, Operation, Selection, SelectionSet};
use apollo_compiler::{ExecutableDocument, Node};
use async_graphql::{Value as EngineValue, Variables};

use super::normalize::Conditions;
use super::request_error::RequestError;

/// What normalization needs to know of one variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Given {
    /// Left out, without a default.
    Absent,
    Null,
    /// The value of a variable of `@skip` or `@include`.
    True,
    False,
    /// Any value of any other variable.
    Value,
}

/// The given variables of a request, in the order of their definitions.
pub(super) fn given(
    definitions: &[Node<VariableDefinition>],
    variables: &Variables,
    conditions: &HashSet<String>,
) -> Box<[Given]> {
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
    given.collect()
}

/// The same, by the names of the variables.
#[derive(Debug, Default)]
pub(super) struct Shape<'a>(HashMap<&'a str, Given>);

impl<'a> Shape<'a> {
    pub(super) fn new(definitions: &'a [Node<VariableDefinition>], given: &[Given]) -> Self {
        let names = definitions
            .iter()
            .map(|definition| definition.name.as_str());
        Self(names.zip(given.iter().copied()).collect())
    }

    /// What the request contains for a variable.
    pub(super) fn of(&self, name: &str) -> Given {
        self.0.get(name).copied().unwrap_or(Given::Absent)
    }

    /// Rejects conditions that are null. Their variables may be nullable where they have a default.
    pub(super) fn check(&self, conditions: &HashSet<String>) -> Result<(), Vec<RequestError>> {
        let null = conditions
            .iter()
            .filter(|name| self.0.get(name.as_str()) == Some(&Given::Null));
        let mut errors: Vec<RequestError> = null
            .map(|name| {
                RequestError::input(
                    name,
                    format!("The variable `${name}` is a condition and must not be null."),
                )
            })
            .collect();
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by(|left, right| left.field.cmp(&right.field));
        Err(errors)
    }
}

impl Conditions for Shape<'_> {
    fn hold(&self, directives: &DirectiveList) -> bool {
        !self.has_condition(directives, "skip", true)
            && !self.has_condition(directives, "include", false)
    }
}

impl Shape<'_> {
    /// Whether there is such a directive with the condition `expected`.
    fn has_condition(&self, directives: &DirectiveList, name: &str, expected: bool) -> bool {
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

/// The variables that `@skip` and `@include` use in an operation and in the fragments that it spreads.
pub(super) fn conditions(document: &ExecutableDocument, operation: &Operation) -> HashSet<String> {
    let mut conditions = ConditionVariables {
        document,
        seen: HashSet::new(),
        names: HashSet::new(),
    };
    conditions.collect(&operation.selection_set);
    conditions.names
}

struct ConditionVariables<'a> {
    document: &'a ExecutableDocument,
    seen: HashSet<&'a str>,
    names: HashSet<String>,
}

impl<'a> ConditionVariables<'a> {
    fn collect(&mut self, set: &'a SelectionSet) {
        for selection in &set.selections {
            for directive in selection.directives() {
                let values = directive.arguments.iter().map(|argument| &*argument.value);
                self.names.extend(
                    values
                        .filter_map(|value| value.as_variable())
                        .map(ToString::to_string),
                );
            }
            match selection {
                Selection::Field(field) => self.collect(&field.selection_set),
                Selection::InlineFragment(inline) => self.collect(&inline.selection_set),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
                        && self.seen.insert(&spread.fragment_name)
                    {
                        self.collect(&fragment.selection_set);
                    }
                }
            }
        }
    }
}
