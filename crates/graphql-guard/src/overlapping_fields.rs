//! The rules about fields that apollo-compiler does not follow: "Field Selection Merging" where arguments are lists, and
//! "Single Root Field" (GraphQL specification, sections 5.3.2 and 5.2.4.1).

use apollo_compiler::ast::{Argument, Value};
use apollo_compiler::executable::{DirectiveList, OperationType};
use apollo_compiler::{ExecutableDocument, Node};

use super::MAX_ERRORS;
use super::normalize::{self, Conditions};
use super::positions::Lines;
use super::request_error::RequestError;
use super::schema::Schema;

/// The errors that apollo-compiler overlooks: it takes lists for equal when one is a prefix of the other, and counts the
/// root fields of a subscription without merging them.
pub(super) fn check(
    schema: &Schema,
    document: &ExecutableDocument,
    lines: &Lines<'_>,
) -> Vec<RequestError> {
    let mut errors = Vec::new();
    for operation in document.operations.iter() {
        let (root, conflicts) = normalize::with_conflicts(schema, document, operation, &Always);
        if operation.operation_type == OperationType::Subscription && root.len() != 1 {
            let message = "A subscription must have exactly one root field.";
            errors.push(RequestError::validation(
                message,
                lines.of(operation.location()),
            ));
        }
        for (first, second) in conflicts.into_iter().take(MAX_ERRORS) {
            let message = format!(
                "The fields `{}` conflict because their arguments differ; give one of them an alias.",
                first.response_key()
            );
            let both = RequestError::validation(message, lines.of(first.location()))
                .at(lines.of(second.location()));
            errors.push(both);
        }
    }
    errors
}

/// Validation ignores `@skip` and `@include`.
struct Always;

impl Conditions for Always {
    fn hold(&self, _: &DirectiveList) -> bool {
        true
    }
}

/// Whether two fields have the same arguments with the same values.
pub(super) fn same_arguments(left: &[Node<Argument>], right: &[Node<Argument>]) -> bool {
    left.len() == right.len()
        && left.iter().all(|argument| {
            right.iter().any(|other| {
                argument.name == other.name && same_value(&argument.value, &other.value)
            })
        })
}

/// Whether values are equal. The order of input fields does not matter, and literals are compared as written.
fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same_value(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| {
                    right
                        .iter()
                        .any(|(other, other_value)| name == other && same_value(value, other_value))
                })
        }
        _ => left == right,
    }
}
