//! Request errors: why a request is rejected before any of it is executed (GraphQL specification, section 7.1.2).

use std::fmt;

use async_graphql::{ErrorExtensionValues, Pos, ServerError, value};

use crate::truncate;

/// The kind of a request error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The text is not a GraphQL document.
    ParseFailed,
    /// The document does not fit the schema (GraphQL specification, section 5).
    ValidationFailed,
    /// A variable does not coerce, or is null where its argument may not be.
    BadUserInput,
    /// The document exceeds one of the limits.
    TooComplex,
    /// The document does not contain the requested operation, or has several and none is named.
    BadRequest,
}

impl Code {
    /// Its name, for `extensions.code` of the error.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::TooComplex => "TOO_COMPLEX",
            Self::BadRequest => "BAD_REQUEST",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A position in the document as it was sent. Both numbers begin at 1, and columns count Unicode scalar values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The column within the line.
    pub column: usize,
}

/// A limit, and the value of the document that exceeds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// What is limited: `tokens`, `nesting`, `selections`, `depth`, `aliases`, `rootFields`, `directives`, `complexity`,
    /// `variables` or `introspection`.
    pub name: &'static str,
    /// The highest value that is allowed.
    pub limit: u64,
    /// The value of the document, saturated: fragments can make the true one astronomically large.
    pub value: u64,
}

/// One reason why a request is not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// The kind of reason.
    pub code: Code,
    /// A sentence for the author of the document. Long names in it are shortened.
    pub message: String,
    /// Where in the document; empty where the reason has no position.
    pub locations: Vec<Location>,
    /// For [`Code::BadUserInput`], the dotted path of the value, such as `input.title` or `ids.2`.
    pub field: Option<String>,
    /// For [`Code::TooComplex`], the limit.
    pub exceeded: Option<Exceeded>,
}

impl RequestError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: truncate::in_message(message.into()),
            locations: Vec::new(),
            field: None,
            exceeded: None,
        }
    }

    pub(super) fn validation(message: impl Into<String>, location: Option<Location>) -> Self {
        Self::new(Code::ValidationFailed, message).at(location)
    }

    pub(super) fn input(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: Some(truncate::in_message(field.into())),
            ..Self::new(Code::BadUserInput, message)
        }
    }

    pub(super) fn at(mut self, location: Option<Location>) -> Self {
        self.locations.extend(location);
        self
    }

    /// Checks `value` against `limit`. `what` names the measure within a sentence.
    pub(super) fn check_limit(
        name: &'static str,
        what: &str,
        limit: u64,
        value: u64,
    ) -> Result<(), Self> {
        if value <= limit {
            return Ok(());
        }
        let message =
            format!("The document is too complex: its {what} is {value}, and {limit} is allowed.");
        Err(Self {
            exceeded: Some(Exceeded { name, limit, value }),
            ..Self::new(Code::TooComplex, message)
        })
    }
}

impl From<RequestError> for ServerError {
    fn from(error: RequestError) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        if let Some(field) = error.field {
            extensions.set("field", field);
        }
        if let Some(Exceeded { name, limit, value }) = error.exceeded {
            extensions.set(
                "limit",
                value!({ "name": name, "max": limit, "value": value }),
            );
        }
        let locations = error.locations.iter();
        Self {
            locations: locations
                .map(|location| Pos {
                    line: location.line,
                    column: location.column,
                })
                .collect(),
            extensions: Some(extensions),
            ..Self::new(error.message, None)
        }
    }
}
