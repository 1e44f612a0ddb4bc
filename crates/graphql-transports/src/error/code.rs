//! The codes by which clients distinguish errors.

use std::fmt;

use graphql_guard::Code;
use serde::{Serialize, Serializer};

/// The value of `extensions.code` in an error. The constants are the codes of the transports; an engine adds its own
/// with [`new`](Self::new).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(&'static str);

impl ErrorCode {
    /// The body, the URL or the method is not that of a GraphQL request, or the requested operation is missing.
    pub const BAD_REQUEST: Self = Self::new(Code::BadRequest.as_str());
    /// The document has a syntax error.
    pub const PARSE_FAILED: Self = Self::new(Code::ParseFailed.as_str());
    /// The document is not valid for the schema.
    pub const VALIDATION_FAILED: Self = Self::new(Code::ValidationFailed.as_str());
    /// A value is not allowed.
    pub const BAD_USER_INPUT: Self = Self::new(Code::BadUserInput.as_str());
    /// A limit is exceeded.
    pub const TOO_COMPLEX: Self = Self::new(Code::TooComplex.as_str());
    /// No document has this name; the client may send its text instead.
    pub const PERSISTED_QUERY_NOT_FOUND: Self = Self::new("PERSISTED_QUERY_NOT_FOUND");
    /// Only trusted documents are executed, and this is not one.
    pub const DOCUMENT_NOT_TRUSTED: Self = Self::new("DOCUMENT_NOT_TRUSTED");
    /// The request needs a token, or its token is not valid.
    pub const UNAUTHENTICATED: Self = Self::new("UNAUTHENTICATED");
    /// The caller may not do this.
    pub const FORBIDDEN: Self = Self::new("FORBIDDEN");
    /// Too many requests, or too costly ones.
    pub const RATE_LIMITED: Self = Self::new("RATE_LIMITED");
    /// The request took too long.
    pub const TIMEOUT: Self = Self::new("TIMEOUT");
    /// Nothing was done; the same request may succeed later.
    pub const UNAVAILABLE: Self = Self::new("UNAVAILABLE");
    /// A bug of the server.
    pub const INTERNAL: Self = Self::new("INTERNAL");

    /// A code of the application, in upper case with underscores by convention.
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// The code as clients read it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<Code> for ErrorCode {
    fn from(code: Code) -> Self {
        Self::new(code.as_str())
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
