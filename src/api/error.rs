//! The one place where an error becomes a GraphQL error: its code, and what a stranger may read of it.

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value, value};
use bytes::Bytes;
use serde_json::json;

use crate::error::{Error, INTERNAL};
use graphql_guard::{Code, Exceeded, OperationKind, RequestError};

/// What a client is told whose request met a limit of time.
const TOO_LONG: &str = "the request took too long; try again later, or ask for less";

/// What the limit of a response is called.
const RESPONSE_BYTES: &str = "responseBytes";

/// Gives an error that the engine collected its code, and what the contract has beside it.
///
/// What the client did wrong keeps its message. What we did wrong is logged in full, and the client learns the id
/// under which to find it.
pub(super) fn complete(error: &mut ServerError, request_id: &str, kind: OperationKind) {
    let mut extensions = error.extensions.take().unwrap_or_default();
    match error.source::<Error>() {
        Some(Error::Invalid { field, .. }) => {
            extensions.set("code", "BAD_USER_INPUT");
            extensions.set("field", field.as_str());
        }
        Some(Error::SlugTaken { field, .. }) => {
            extensions.set("code", "SLUG_TAKEN");
            extensions.set("field", field.as_str());
        }
        Some(Error::CursorExpired { oldest }) => {
            extensions.set("code", "CURSOR_EXPIRED");
            extensions.set("oldestCursor", oldest.as_str());
        }
        Some(Error::KeyReused) => extensions.set("code", "IDEMPOTENCY_KEY_REUSED"),
        Some(Error::NotFound) => extensions.set("code", "NOT_FOUND"),
        Some(Error::VersionConflict { current }) => {
            extensions.set("code", "VERSION_CONFLICT");
            extensions.set("currentVersion", *current);
        }
        Some(&Error::TooLarge { max, value }) => {
            extensions.set("code", Code::TooComplex.as_str());
            extensions.set(
                "limit",
                value!({ "name": RESPONSE_BYTES, "max": max, "value": value }),
            );
        }
        Some(cause @ Error::Raced) => {
            tracing::warn!(error = %cause, "an operation was given up");
            "other requests got in the way of this one each time that it was tried; send it again"
                .clone_into(&mut error.message);
            extensions.set("code", "UNAVAILABLE");
        }
        // The store has told the log.
        Some(Error::NoWrites { .. }) => {
            "the database takes no writes at the moment, so nothing was changed; reading goes on"
                .clone_into(&mut error.message);
            extensions.set("code", "UNAVAILABLE");
        }
        Some(cause @ Error::Unavailable(_)) => {
            tracing::error!(error = %cause, "the database is unavailable");
            "the server cannot reach its database at the moment; try again later"
                .clone_into(&mut error.message);
            extensions.set("code", "UNAVAILABLE");
        }
        Some(cause @ Error::Lost(_)) => {
            tracing::error!(error = %cause, "the connection to the database was lost");
            match kind {
                OperationKind::Mutation => {
                    "the connection to the database was lost, so the change may have been made or not; \
                     look before you send it again"
                }
                _ => "the server cannot reach its database at the moment; try again later",
            }
            .clone_into(&mut error.message);
            extensions.set("code", "UNAVAILABLE");
        }
        Some(cause @ Error::Timeout(_)) => {
            tracing::warn!(error = %cause, "a statement took too long");
            TOO_LONG.clone_into(&mut error.message);
            extensions.set("code", "TIMEOUT");
        }
        Some(cause @ Error::Internal(_)) => {
            tracing::error!(error = %cause, path = ?error.path, "an operation failed");
            internal(&mut error.message, &mut extensions, request_id);
        }
        None if extensions.get("code").is_some() => {}
        // The engine's own errors before the first field: of the document, or of its variables.
        None if error.path.is_empty() => {
            let code = match error.message.trim_start().starts_with("-->") {
                true => "GRAPHQL_PARSE_FAILED",
                false => "GRAPHQL_VALIDATION_FAILED",
            };
            extensions.set("code", code);
        }
        None => {
            extensions.set("code", "BAD_USER_INPUT");
        }
    }
    error.extensions = Some(extensions);
}

/// Why a query is refused whose answer was found to be too large while it was read or written. None of it is shown: which
/// of its fields went over the limit is chance.
pub(super) fn too_large(response: &Response) -> Option<RequestError> {
    let mut causes = response.errors.iter().map(ServerError::source::<Error>);
    causes.find_map(|cause| match cause {
        Some(&Error::TooLarge { max, value }) => Some(over(max, value)),
        _ => None,
    })
}

/// The refusal of a query whose answer would have `value` bytes or more.
pub(super) fn over(max: usize, value: usize) -> RequestError {
    RequestError {
        code: Code::TooComplex,
        message: Error::TooLarge { max, value }.to_string(),
        locations: Vec::new(),
        field: None,
        exceeded: Some(Exceeded {
            name: RESPONSE_BYTES,
            limit: u64::try_from(max).unwrap_or(u64::MAX),
            value: u64::try_from(value).unwrap_or(u64::MAX),
        }),
    }
}

/// Whether an operation may be sent again because nothing of it was done for want of the database.
///
/// A query has nothing to show then, whatever it has tried. A mutation must not have begun: of a statement that was cut
/// off nobody may claim that.
pub(super) fn nothing_ran(response: &Response, kind: OperationKind) -> bool {
    let no_data = match &response.data {
        Value::Object(fields) => fields.values().all(|field| match field {
            // Nothing has to run for the `__typename` of a root.
            Value::String(name) => ["Query", "Mutation"].contains(&name.as_str()),
            field => *field == Value::Null,
        }),
        data => *data == Value::Null,
    };
    let unavailable = |error: &ServerError| match error.source::<Error>() {
        // What lost against other transactions each time was rolled back.
        Some(Error::Unavailable(_) | Error::Raced | Error::NoWrites { .. }) => true,
        Some(Error::Lost(_) | Error::Timeout(_)) => kind != OperationKind::Mutation,
        _ => false,
    };
    no_data && !response.errors.is_empty() && response.errors.iter().all(unavailable)
}

/// Whether nothing was done because the idempotency key came before with another request.
pub(super) fn key_was_reused(response: &Response) -> bool {
    let mut causes = response.errors.iter().map(ServerError::source::<Error>);
    causes.any(|cause| matches!(cause, Some(Error::KeyReused)))
}

/// Whether an error of the response will carry the id of the request.
pub(super) fn tells_request_id(response: &Response) -> bool {
    let is_ours = |error: &ServerError| matches!(error.source(), Some(Error::Internal(_)));
    response.errors.iter().any(is_ours)
}

/// The JSON list of errors of an operation that took too long. Nothing has changed, so it may be sent again.
pub fn timeout_errors() -> Bytes {
    let errors = json!([{ "message": TOO_LONG, "extensions": { "code": "TIMEOUT" } }]);
    errors.to_string().into()
}

fn internal(message: &mut String, extensions: &mut ErrorExtensionValues, request_id: &str) {
    INTERNAL.clone_into(message);
    extensions.set("code", "INTERNAL");
    extensions.set("requestId", request_id);
}

/// The `errors` of an operation that was refused before any of it ran.
pub fn request_errors(errors: &[RequestError]) -> serde_json::Value {
    let entry = |refusal: &RequestError| {
        let mut extensions = json!({ "code": refusal.code.as_str() });
        if let Some(field) = &refusal.field {
            extensions["field"] = json!(field);
        }
        if let Some(Exceeded { name, limit, value }) = refusal.exceeded {
            extensions["limit"] = json!({ "name": name, "max": limit, "value": value });
        }
        let mut error = json!({ "message": refusal.message, "extensions": extensions });
        if !refusal.locations.is_empty() {
            let locations = refusal.locations.iter();
            error["locations"] = locations
                .map(|place| json!({ "line": place.line, "column": place.column }))
                .collect();
        }
        error
    };
    errors.iter().map(entry).collect()
}
