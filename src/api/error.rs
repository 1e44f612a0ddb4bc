//! The one place where an error becomes a GraphQL error: its code, and what a stranger may read of it.

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use serde_json::json;

use crate::document::{Exceeded, Refusal};
use crate::error::Error;

/// Gives an error that the engine collected its code, and what the contract has beside it.
///
/// What the client did wrong keeps its message. What we did wrong is logged in full, and the client learns the id
/// under which to find it.
pub(super) fn complete(error: &mut ServerError, request_id: &str) {
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
        Some(Error::NotFound) => extensions.set("code", "NOT_FOUND"),
        Some(Error::VersionConflict { current }) => {
            extensions.set("code", "VERSION_CONFLICT");
            extensions.set("currentVersion", *current);
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
        Some(cause @ Error::Timeout(_)) => {
            tracing::warn!(error = %cause, "a statement took too long");
            "the request took too long; try again later, or ask for less"
                .clone_into(&mut error.message);
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

/// Whether a query has nothing to show because the database could not be had, so that it may be sent again.
pub(super) fn nothing_ran(response: &Response) -> bool {
    let no_data = match &response.data {
        Value::Object(fields) => fields.values().all(|field| *field == Value::Null),
        data => *data == Value::Null,
    };
    let unavailable = |error: &ServerError| {
        let cause = error.source::<Error>();
        matches!(
            cause,
            Some(Error::Unavailable(_) | Error::Timeout(_) | Error::Raced | Error::NoWrites { .. })
        )
    };
    no_data && !response.errors.is_empty() && response.errors.iter().all(unavailable)
}

fn internal(message: &mut String, extensions: &mut ErrorExtensionValues, request_id: &str) {
    "something went wrong on our side; tell us the request id".clone_into(message);
    extensions.set("code", "INTERNAL");
    extensions.set("requestId", request_id);
}

/// The `errors` of an operation that was refused before any of it ran.
pub fn refusals(refusals: &[Refusal]) -> serde_json::Value {
    let error = |refusal: &Refusal| {
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
    refusals.iter().map(error).collect()
}
