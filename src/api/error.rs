//! The errors of resolvers, and the one place that converts them to errors of a response, with their codes and
//! messages.

use async_graphql::{PathSegment as EnginePath, Response, ServerError, Value};

use crate::error::{
    Detail, Error, ErrorCode, Location, PathSegment, ResponseError, ResponseErrors, Violation,
};
use graphql_guard::{Exceeded, OperationKind};
use graphql_transports::pipeline;

/// The message for a client when the database is unavailable.
const UNREACHABLE: &str = "the server cannot reach its database at the moment; try again later";

/// The values of `extensions.code` that the transports do not define.
mod code {
    use crate::error::ErrorCode;

    /// There is no article with this id.
    pub(super) const NOT_FOUND: ErrorCode = ErrorCode::new("NOT_FOUND");
    /// The slug belongs to another article.
    pub(super) const SLUG_TAKEN: ErrorCode = ErrorCode::new("SLUG_TAKEN");
    /// The article has changed since the client read it.
    pub(super) const VERSION_CONFLICT: ErrorCode = ErrorCode::new("VERSION_CONFLICT");
    /// The changes after a cursor are no longer kept.
    pub(super) const CURSOR_EXPIRED: ErrorCode = ErrorCode::new("CURSOR_EXPIRED");
    /// The idempotency key was already used with another request.
    pub(super) const IDEMPOTENCY_KEY_REUSED: ErrorCode = ErrorCode::new("IDEMPOTENCY_KEY_REUSED");
}

/// The name of the limit of a response.
const RESPONSE_BYTES: &str = "responseBytes";

/// The error of a resolver.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum FieldError {
    /// An argument has the right type, but an invalid value.
    #[error("{message}")]
    Invalid {
        /// The dotted path of the argument, such as `input.title`.
        field: String,
        /// A sentence that says which values are valid.
        message: String,
    },
    /// The slug in an argument belongs to another article.
    #[error("the slug {slug:?} belongs to another article")]
    SlugTaken { field: String, slug: String },
    #[error(transparent)]
    Other(#[from] Error),
}

/// The result of resolvers.
pub(super) type Result<T, E = FieldError> = std::result::Result<T, E>;

impl FieldError {
    /// The value of the argument `field` is invalid; `message` says which values are valid.
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            message: message.into(),
        }
    }

    /// The value of the argument `field` violates a rule.
    pub(super) fn at(field: impl Into<String>, violation: Violation) -> Self {
        Self::invalid(field, violation.0)
    }

    /// The error of a mutation; `path` returns the path of an article's slug in the arguments.
    pub(super) fn of_slugs(error: Error, path: impl Fn(usize) -> String) -> Self {
        match error {
            Error::SlugTaken { article, slug } => Self::SlugTaken {
                field: path(article),
                slug,
            },
            error => error.into(),
        }
    }
}

/// The cause of an error, unless the client caused it.
fn cause(error: &ServerError) -> Option<&Error> {
    match error.source::<FieldError>() {
        Some(FieldError::Other(cause)) => Some(cause),
        Some(_) => None,
        None => error.source(),
    }
}

/// Converts an error of the engine for clients.
///
/// A client error keeps its message. An internal error is logged in full, and the client gets the id with which it is
/// logged.
pub(super) fn response_error(
    error: ServerError,
    request_id: &str,
    kind: OperationKind,
) -> ResponseError {
    let described = match error.source::<FieldError>() {
        Some(FieldError::Invalid { field, message }) => {
            ResponseError::new(ErrorCode::BAD_USER_INPUT, message)
                .with(Detail::Field(field.clone()))
        }
        Some(taken @ FieldError::SlugTaken { field, .. }) => {
            let detail = Detail::Field(field.clone());
            ResponseError::new(code::SLUG_TAKEN, taken.to_string()).with(detail)
        }
        Some(FieldError::Other(cause)) => describe(cause, &error, request_id, kind),
        None => error.source::<Error>().map_or_else(
            || of_engine(&error),
            |cause| describe(cause, &error, request_id, kind),
        ),
    };
    let locations = error.locations.into_iter();
    let path = error.path.into_iter();
    ResponseError {
        locations: locations
            .map(|pos| Location {
                line: pos.line,
                column: pos.column,
            })
            .collect(),
        path: path
            .map(|segment| match segment {
                EnginePath::Field(name) => PathSegment::Field(name),
                EnginePath::Index(index) => PathSegment::Index(index),
            })
            .collect(),
        ..described
    }
}

/// An error that the engine detected itself: in the document where it names no field, otherwise in a value.
fn of_engine(error: &ServerError) -> ResponseError {
    let code = match error.path.is_empty() {
        true => ErrorCode::VALIDATION_FAILED,
        false => ErrorCode::BAD_USER_INPUT,
    };
    ResponseError::new(code, error.message.as_str())
}

/// Converts an error of the layers below for clients.
fn describe(
    cause: &Error,
    error: &ServerError,
    request_id: &str,
    kind: OperationKind,
) -> ResponseError {
    let with_message = |code| ResponseError::new(code, cause.to_string());
    match cause {
        Error::NotFound => with_message(code::NOT_FOUND),
        Error::KeyReused => with_message(code::IDEMPOTENCY_KEY_REUSED),
        Error::VersionConflict { current } => with_message(code::VERSION_CONFLICT)
            .with(Detail::Other("currentVersion", (*current).into())),
        Error::CursorExpired { oldest } => with_message(code::CURSOR_EXPIRED)
            .with(Detail::Other("oldestCursor", oldest.as_str().into())),
        &Error::TooLarge { max, value } => too_large_error(max, value),
        // Resolvers add the path of the argument; see `FieldError`.
        Error::SlugTaken { .. } => with_message(code::SLUG_TAKEN),
        Error::LastVersion(_) => {
            with_message(ErrorCode::BAD_USER_INPUT).with(Detail::Field("id".to_owned()))
        }
        Error::Raced => {
            tracing::warn!(error = %cause, "an operation was given up");
            unavailable("this request conflicted with others on every attempt; send it again")
        }
        // The store has logged it.
        Error::NoWrites { .. } => unavailable(
            "the database accepts no writes at the moment, so nothing was changed; reads continue",
        ),
        // The store logs once that the database is unavailable.
        Error::Unavailable(_) => {
            tracing::debug!(error = %cause, "the database is unavailable");
            unavailable(UNREACHABLE)
        }
        Error::Lost(_) => {
            tracing::error!(error = %cause, "the connection to the database was lost");
            unavailable(match kind {
                OperationKind::Mutation => {
                    "the connection to the database was lost, so the change may or may not have been made; check \
                     before you send it again"
                }
                _ => UNREACHABLE,
            })
        }
        Error::Timeout(_) => {
            tracing::warn!(error = %cause, "a statement took too long");
            pipeline::timeout()
        }
        Error::Internal(_) => {
            tracing::error!(error = %cause, path = ?error.path, "an operation failed");
            ResponseError::internal(request_id)
        }
    }
}

fn unavailable(message: &str) -> ResponseError {
    ResponseError::new(ErrorCode::UNAVAILABLE, message)
}

/// The errors of an operation that exceeded its time limit. Nothing has changed, so it may be sent again.
pub fn timeout_errors() -> ResponseErrors {
    [pipeline::timeout()].into()
}

/// The error of a query whose response turned out to be too large while it was read or written. No part of the response
/// is returned, because which of its fields exceeded the limit is a matter of timing.
pub(super) fn too_large(response: &Response) -> Option<ResponseError> {
    response.errors.iter().find_map(|error| match cause(error) {
        Some(&Error::TooLarge { max, value }) => Some(too_large_error(max, value)),
        _ => None,
    })
}

/// The error of a query whose response would have `value` bytes or more.
pub(super) fn too_large_error(max: usize, value: usize) -> ResponseError {
    let message = Error::TooLarge { max, value }.to_string();
    let bytes = |bytes| u64::try_from(bytes).unwrap_or(u64::MAX);
    ResponseError::new(ErrorCode::TOO_COMPLEX, message).with(Detail::Limit(Exceeded {
        name: RESPONSE_BYTES,
        limit: bytes(max),
        value: bytes(value),
    }))
}

/// Whether an operation had no effect because the database was unavailable, so that it may be sent again.
///
/// A query then simply has no data. A mutation must not have begun: an interrupted statement may have been executed.
pub(super) fn nothing_executed(response: &Response, kind: OperationKind) -> bool {
    let no_data = match &response.data {
        Value::Object(fields) => fields.values().all(|field| match field {
            // `__typename` at the root needs no database.
            Value::String(name) => ["Query", "Mutation"].contains(&name.as_str()),
            field => *field == Value::Null,
        }),
        data => *data == Value::Null,
    };
    let unavailable = |error: &ServerError| match cause(error) {
        // A transaction that lost all its conflicts was rolled back.
        Some(Error::Unavailable(_) | Error::Raced | Error::NoWrites { .. }) => true,
        Some(Error::Lost(_) | Error::Timeout(_)) => kind != OperationKind::Mutation,
        _ => false,
    };
    no_data && !response.errors.is_empty() && response.errors.iter().all(unavailable)
}

/// Whether nothing was executed because the idempotency key was already used with another request.
pub(super) fn key_was_reused(response: &Response) -> bool {
    let is_reused = |error: &ServerError| matches!(cause(error), Some(Error::KeyReused));
    response.errors.iter().any(is_reused)
}

/// Whether an error of the response will contain the id of the request.
pub(super) fn contains_request_id(response: &Response) -> bool {
    let is_internal = |error: &ServerError| matches!(cause(error), Some(Error::Internal(_)));
    response.errors.iter().any(is_internal)
}
