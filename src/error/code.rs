//! The codes that clients tell errors apart by.

use std::fmt;

use graphql_guard::Code;
use serde::{Serialize, Serializer};

/// What stands in `extensions.code` of an error. Every code of the server is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The body, the URL or the method is not that of a GraphQL request, or the operation that is asked for is missing.
    BadRequest,
    /// The document is not GraphQL.
    ParseFailed,
    /// The document does not fit the schema.
    ValidationFailed,
    /// A value is not allowed.
    BadUserInput,
    /// A limit is exceeded.
    TooComplex,
    /// There is no article with this id.
    NotFound,
    /// The slug belongs to another article.
    SlugTaken,
    /// The article has changed since the client read it.
    VersionConflict,
    /// The changes after a cursor are not kept any more.
    CursorExpired,
    /// The idempotency key was used before, by another request.
    IdempotencyKeyReused,
    /// No document has this name; the client may send its text.
    PersistedQueryNotFound,
    /// Only trusted documents are served, and this is none.
    DocumentNotTrusted,
    /// The request needs a token, or its token is not valid.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// Too many requests, or too costly ones.
    RateLimited,
    /// The request took too long.
    Timeout,
    /// Nothing was done; the same request may succeed later.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl ErrorCode {
    /// The code as clients read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => Code::BadRequest.as_str(),
            Self::ParseFailed => Code::ParseFailed.as_str(),
            Self::ValidationFailed => Code::ValidationFailed.as_str(),
            Self::BadUserInput => Code::BadUserInput.as_str(),
            Self::TooComplex => Code::TooComplex.as_str(),
            Self::NotFound => "NOT_FOUND",
            Self::SlugTaken => "SLUG_TAKEN",
            Self::VersionConflict => "VERSION_CONFLICT",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::DocumentNotTrusted => "DOCUMENT_NOT_TRUSTED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::Timeout => "TIMEOUT",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

impl From<Code> for ErrorCode {
    fn from(code: Code) -> Self {
        match code {
            Code::BadRequest => Self::BadRequest,
            Code::ParseFailed => Self::ParseFailed,
            Code::ValidationFailed => Self::ValidationFailed,
            Code::BadUserInput => Self::BadUserInput,
            Code::TooComplex => Self::TooComplex,
        }
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
