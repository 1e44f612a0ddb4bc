//! Why a request is refused before anything of it runs, in the terms of the contract's error table.
//!
//! A [`Refusal`] knows nothing of HTTP or of the engine: the server turns it into one entry of the `errors` list.

use std::fmt;

use crate::shorten;

/// The codes of the contract that a document or its variables can be refused with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The text is not a GraphQL document.
    ParseFailed,
    /// The document does not fit the schema (GraphQL specification, section 5).
    ValidationFailed,
    /// A variable does not coerce, or is null where its argument may not be.
    BadUserInput,
    /// The document goes over one of the limits.
    TooComplex,
    /// The operation that is asked for is not there, or none is named among several.
    BadRequest,
}

impl Code {
    /// As it stands in `extensions.code`.
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

/// A place in the document as it was sent; both numbers begin at 1, and columns count Unicode scalar values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The column within the line.
    pub column: usize,
}

/// A limit and the value of the document that went over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// What is limited: `tokens`, `nesting`, `selections`, `depth`, `aliases`, `rootFields`, `directives`, `complexity`,
    /// `variables`, `introspection`, or the `responseBytes` of the answer.
    pub name: &'static str,
    /// The highest value that is allowed.
    pub limit: u64,
    /// The document's value. It saturates: a document can be made so that the true one has no end.
    pub value: u64,
}

/// One reason why a request does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind of reason.
    pub code: Code,
    /// A sentence for the person who wrote the document. It repeats only the beginnings of long names.
    pub message: String,
    /// Where in the document; empty where the reason has no place.
    pub locations: Vec<Location>,
    /// For `BAD_USER_INPUT`, the dotted path of the value, such as `input.title` or `ids.2`.
    pub field: Option<String>,
    /// For `TOO_COMPLEX`, the limit.
    pub exceeded: Option<Exceeded>,
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: shorten::in_message(message.into()),
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
            field: Some(shorten::in_message(field.into())),
            ..Self::new(Code::BadUserInput, message)
        }
    }

    pub(super) fn at(mut self, location: Option<Location>) -> Self {
        self.locations.extend(location);
        self
    }

    /// Refuses when `value` is over `limit`. `what` names the measure within a sentence.
    pub(super) fn over(name: &'static str, what: &str, limit: u64, value: u64) -> Result<(), Self> {
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
