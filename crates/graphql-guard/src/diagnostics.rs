//! Converts apollo-compiler's diagnostics to request errors.

use apollo_compiler::diagnostic::ToCliReport as _;
use apollo_compiler::validation::DiagnosticList;

use super::positions::Lines;
use super::request_error::{Code, RequestError};
use super::{MAX_ERRORS, truncate};

/// The errors of rules that the guard replaces, by their names in apollo-compiler.
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

/// Tokens by their names in apollo-parser, which its messages show.
const TOKENS: [(&str, &str); 15] = [
    ("BANG", "!"),
    ("DOLLAR", "$"),
    ("AMP", "&"),
    ("SPREAD", "..."),
    ("COMMA", ","),
    ("COLON", ":"),
    ("EQ", "="),
    ("AT", "@"),
    ("L_PAREN", "("),
    ("R_PAREN", ")"),
    ("L_BRACK", "["),
    ("R_BRACK", "]"),
    ("L_CURLY", "{"),
    ("R_CURLY", "}"),
    ("PIPE", "|"),
];

/// The relevant errors, up to [`MAX_ERRORS`].
pub(super) fn request_errors(
    errors: &DiagnosticList,
    code: Code,
    lines: &Lines<'_>,
) -> Vec<RequestError> {
    errors
        .iter()
        .filter(|diagnostic| {
            diagnostic
                .error
                .unstable_error_name()
                .is_none_or(|name| !REPLACED.contains(&name))
        })
        .take(MAX_ERRORS)
        .map(|diagnostic| {
            let message = readable(diagnostic.error.to_string());
            RequestError::new(code, message).at(lines.of(diagnostic.error.location()))
        })
        .collect()
}

/// Shows the expected token as it is written, and only the beginning of the actual one, which may be a string of any
/// length.
fn readable(message: String) -> String {
    let Some((expected, found)) = message.split_once(", got ") else {
        return message;
    };
    let found = truncate::of(found);
    let token = expected.rsplit_once(' ').and_then(|(before, name)| {
        let (_, token) = TOKENS.iter().find(|(token, _)| *token == name)?;
        Some(format!("{before} \"{token}\""))
    });
    format!("{}, got {found}", token.as_deref().unwrap_or(expected))
}
