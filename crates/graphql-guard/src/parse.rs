//! From text to a syntax tree: apollo-compiler's parser, held to the specification where it accepts too much.

use apollo_compiler::ast;
use apollo_compiler::parser::Parser;

use super::diagnostics::request_errors;
use super::lexer::Tokens;
use super::positions::Lines;
use super::request_error::{Code, RequestError};
use super::strip_descriptions;

/// The error of a document with an invalid token at this offset.
///
/// apollo-parser splits what follows into tokens other than those that were counted: a comment or a block string could
/// hide megabytes from the limits.
pub(super) fn broken_token(source: &str, offset: usize, lines: &Lines<'_>) -> RequestError {
    let message = match source.get(offset..).and_then(|rest| rest.chars().next()) {
        Some('"') => {
            "syntax error: this string is not closed; one of several lines begins with `\"\"\"`"
                .to_owned()
        }
        Some('-' | '0'..='9') => "syntax error: this is not a number".to_owned(),
        Some(other) => format!("syntax error: unexpected character `{other}`"),
        None => "syntax error: unexpected character".to_owned(),
    };
    RequestError::new(Code::ParseFailed, message).at(Some(lines.at(offset)))
}

/// Parses a document whose size and nesting have been checked, and that consists of tokens.
pub(super) fn parse(source: &str, lines: &Lines<'_>) -> Result<ast::Document, Vec<RequestError>> {
    let (source, descriptions) = strip_descriptions::blank(source);
    for (offset, text) in descriptions {
        // Parsed as a value, so that one with bad escapes is rejected.
        if Parser::new()
            .parse_ast(format!("{{a(b:{text})}}"), "description")
            .is_err()
        {
            let message = "This description is not a string as the specification defines it.";
            return Err(vec![
                RequestError::new(Code::ParseFailed, message).at(Some(lines.at(offset))),
            ]);
        }
    }
    let source = &*source;
    let document = Parser::new()
        .parse_ast(source, "document")
        .map_err(|errors| request_errors(&errors.errors, Code::ParseFailed, lines))?;
    if document.definitions.is_empty() {
        return Err(vec![
            RequestError::new(Code::ParseFailed, "The document is empty.")
                .at(Some(lines.at(source.len()))),
        ]);
    }
    if let Some(offset) = missing_token(source, &document) {
        let message = "This is out of place: an argument or input field needs a colon and a value.";
        return Err(vec![
            RequestError::new(Code::ParseFailed, message).at(Some(lines.at(offset))),
        ]);
    }
    Ok(document)
}

/// The offset of the first token that is missing in the syntax tree.
///
/// apollo-parser accepts an argument without a value, `update(id: 1, version)`, and leaves it out of the tree. So the tree
/// is serialized, and must have every token of the text.
fn missing_token(source: &str, document: &ast::Document) -> Option<usize> {
    let written = document.serialize().no_indent().to_string();
    let mut written = Tokens::new(&written).peekable();
    for (offset, token) in Tokens::new(source) {
        let same = |other: &[u8]| other == token || (is_string(other) && is_string(token));
        // The keyword of an anonymous query is optional, and the first operation is serialized without it.
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
