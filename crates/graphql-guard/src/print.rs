//! Writes a normalized operation as text. Equal operations have equal texts, however their documents were written.

use std::fmt::Write as _;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, VariableDefinition,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;

/// The text of a document that contains only one normalized operation.
pub(super) fn document(document: &ExecutableDocument) -> String {
    let operations = document.operations.iter();
    operations
        .map(|(name, definition)| operation(name, &definition.node))
        .collect()
}

/// The text of an operation that has neither directives nor named fragments. A document cannot have an empty selection
/// set, but a normalized operation can; at the root it is written `{}`, below a field it is left out.
fn operation(name: Option<&Name>, operation: &OperationDefinition) -> String {
    let mut text = operation.ty.to_string();
    if let Some(name) = name {
        text.push(' ');
        text.push_str(name);
    }
    if !operation.variable_definitions.is_empty() {
        text.push('(');
        for definition in &operation.variable_definitions {
            variable(&mut text, &definition.node);
            text.push(' ');
        }
        text.push(')');
    }
    selection_set(&mut text, &operation.selection_set.node);
    text
}

fn variable(text: &mut String, definition: &VariableDefinition) {
    text.push('$');
    text.push_str(&definition.name.node);
    text.push(':');
    text.push_str(&definition.var_type.node.to_string());
    if let Some(default) = &definition.default_value {
        text.push('=');
        value(text, &default.node.clone().into_value());
    }
}

fn selection_set(text: &mut String, set: &SelectionSet) {
    text.push('{');
    for selection in &set.items {
        match &selection.node {
            Selection::Field(found) => field(text, &found.node),
            Selection::InlineFragment(inline) => {
                text.push_str("...on ");
                if let Some(condition) = &inline.node.type_condition {
                    text.push_str(&condition.node.on.node);
                }
                selection_set(text, &inline.node.selection_set.node);
            }
            // The normalized operation has none.
            Selection::FragmentSpread(_) => {}
        }
        text.push(' ');
    }
    text.push('}');
}

fn field(text: &mut String, field: &Field) {
    if let Some(alias) = &field.alias {
        text.push_str(&alias.node);
        text.push(':');
    }
    text.push_str(&field.name.node);
    arguments(text, &field.arguments);
    if !field.selection_set.node.items.is_empty() {
        selection_set(text, &field.selection_set.node);
    }
}

fn arguments(text: &mut String, arguments: &[(Positioned<Name>, Positioned<Value>)]) {
    if arguments.is_empty() {
        return;
    }
    text.push('(');
    for (name, argument) in arguments {
        text.push_str(&name.node);
        text.push(':');
        value(text, &argument.node);
        text.push(' ');
    }
    text.push(')');
}

fn value(text: &mut String, literal: &Value) {
    match literal {
        Value::List(items) => {
            text.push('[');
            for item in items {
                value(text, item);
                text.push(' ');
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (name, field) in fields {
                text.push_str(name);
                text.push(':');
                value(text, field);
                text.push(' ');
            }
            text.push('}');
        }
        // GraphQL strings allow the same escapes as JSON.
        Value::String(string) => {
            text.push_str(&serde_json::Value::from(string.as_str()).to_string());
        }
        other => {
            // Writing to a string cannot fail.
            let _ = write!(text, "{other}");
        }
    }
}
