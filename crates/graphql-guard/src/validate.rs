//! From text to a document that fits the schema: apollo-compiler's parser and validator, put right where they differ
//! from the specification.
//!
//! Its rules about values are replaced by those of [`values`](super::values), its count of a subscription's root fields
//! and its comparison of list arguments by those of [`normal`](super::normal).

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast;
use apollo_compiler::diagnostic::ToCliReport as _;
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::{DiagnosticList, Valid};

use super::lexer::Tokens;
use super::positions::Lines;
use super::request_error::{Code, Refusal};
use super::schema::Schema;
use super::{MAX_REFUSALS, normalize, strip_descriptions, value_rules};
use crate::shorten;

/// apollo-compiler's rules that others stand in for.
const REPLACED: [&str; 8] = [
    "UnsupportedValueType",
    "IntCoercionError",
    "FloatCoercionError",
    "UndefinedEnumValue",
    "UndefinedInputValue",
    "RequiredField",
    "DisallowedVariableUsage",
    "SubscriptionUsesMultipleFields",
];

/// Parses a document whose size and nesting have been checked.
pub(super) fn parse(source: &str, lines: &Lines<'_>) -> Result<ast::Document, Vec<Refusal>> {
    let (source, descriptions) = strip_descriptions::blank(source);
    for (offset, text) in descriptions {
        // Read as what the parser knows, so that one that is badly escaped is refused.
        if Parser::new()
            .parse_ast(format!("{{a(b:{text})}}"), "description")
            .is_err()
        {
            let message = "This description is not a string as the specification says.";
            return Err(vec![
                Refusal::new(Code::ParseFailed, message).at(Some(lines.at(offset))),
            ]);
        }
    }
    let source = &*source;
    let document = Parser::new()
        .parse_ast(source, "document")
        .map_err(|errors| refusals(&errors.errors, Code::ParseFailed, lines))?;
    if document.definitions.is_empty() {
        return Err(vec![
            Refusal::new(Code::ParseFailed, "The document is empty.")
                .at(Some(lines.at(source.len()))),
        ]);
    }
    if let Some(offset) = overlooked(source, &document) {
        let message = "This belongs nowhere: an argument or input field needs a colon and a value.";
        return Err(vec![
            Refusal::new(Code::ParseFailed, message).at(Some(lines.at(offset))),
        ]);
    }
    Ok(document)
}

/// Where the text has a token that is not in the syntax tree.
///
/// apollo-parser takes an argument without a value, `updateArticle(id: 1, expectedVersion)`, and leaves it out of the
/// tree without a word. So the tree is written out again, and each token of the text must be there.
fn overlooked(source: &str, document: &ast::Document) -> Option<usize> {
    let written = document.serialize().no_indent().to_string();
    let mut written = Tokens::new(&written).peekable();
    for (offset, token) in Tokens::new(source) {
        let same = |other: &[u8]| other == token || (is_string(other) && is_string(token));
        // The keyword of an anonymous query is optional, and not written for the first operation.
        if token == b"{" {
            written.next_if(|(_, other)| *other == b"query");
        }
        match written.peek() {
            Some((_, other)) if same(other) => drop(written.next()),
            Some((_, b"{")) if token == b"query" => {}
            _ => return Some(offset),
        }
    }
    None
}

fn is_string(token: &[u8]) -> bool {
    token.starts_with(b"\"")
}

/// Validates a document whose expansion has been checked.
pub(super) fn validate(
    schema: &Schema,
    document: &ast::Document,
    lines: &Lines<'_>,
) -> Result<Valid<ExecutableDocument>, Vec<Refusal>> {
    let (document, mut found) = match document.to_executable_validate(&schema.types) {
        Ok(document) => (document.into_inner(), Vec::new()),
        Err(errors) => (
            errors.partial,
            refusals(&errors.errors, Code::ValidationFailed, lines),
        ),
    };
    found.extend(value_rules::check(schema, &document, lines));
    if found.is_empty() {
        found = normalize::check(schema, &document, lines);
    }
    if found.is_empty() {
        return Ok(Valid::assume_valid(document));
    }
    found.sort_by(|left, right| left.locations.cmp(&right.locations));
    found.dedup();
    found.truncate(MAX_REFUSALS);
    Err(found)
}

fn refusals(errors: &DiagnosticList, code: Code, lines: &Lines<'_>) -> Vec<Refusal> {
    errors
        .iter()
        .filter(|diagnostic| {
            diagnostic
                .error
                .unstable_error_name()
                .is_none_or(|name| !REPLACED.contains(&name))
        })
        .take(MAX_REFUSALS)
        .map(|diagnostic| {
            let message = diagnostic.error.to_string();
            // A token may be a string of any length.
            let message = match message.split_once(", got ") {
                Some((expected, token)) => format!("{expected}, got {}", shorten::of(token)),
                None => message,
            };
            Refusal::new(code, message).at(lines.of(diagnostic.error.location()))
        })
        .collect()
}
