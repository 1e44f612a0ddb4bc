//! Validates a document against the schema: apollo-compiler's validator, corrected where it differs from the
//! specification.
//!
//! Its rules about values are replaced by those of [`value_rules`], and its rules about the root fields of a subscription
//! and about list arguments are completed by [`overlapping_fields`].

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast;
use apollo_compiler::validation::Valid;

use super::diagnostics::request_errors;
use super::positions::Lines;
use super::request_error::{Code, RequestError};
use super::schema::Schema;
use super::{MAX_ERRORS, overlapping_fields, value_rules};

/// Validates a document whose size with fragments expanded has been checked.
pub(super) fn validate(
    schema: &Schema,
    document: &ast::Document,
    lines: &Lines<'_>,
) -> Result<Valid<ExecutableDocument>, Vec<RequestError>> {
    let (document, mut found) = match document.to_executable_validate(&schema.types) {
        Ok(document) => (document.into_inner(), Vec::new()),
        Err(errors) => (
            errors.partial,
            request_errors(&errors.errors, Code::ValidationFailed, lines),
        ),
    };
    found.extend(value_rules::check(schema, &document, lines));
    if found.is_empty() {
        found = overlapping_fields::check(schema, &document, lines);
    }
    if found.is_empty() {
        return Ok(Valid::assume_valid(document));
    }
    found.sort_by(|left, right| left.locations.cmp(&right.locations));
    found.dedup();
    found.truncate(MAX_ERRORS);
    Err(found)
}
