//! Rejected requests, in a form for every transport.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;

use super::error::{ErrorCode, ResponseError, ResponseErrors};
use super::request_id::RequestId;

/// Why a request is rejected: its execution did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status over HTTP.
    pub status: StatusCode,
    /// At least one error.
    pub errors: ResponseErrors,
    /// Further headers for that status, such as `Allow` and `Retry-After`.
    pub headers: HeaderMap,
}

impl Rejection {
    /// One error with a message and `extensions.code`.
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self::with_errors(status, [ResponseError::new(code, message)])
    }

    /// The request is not one that is served: one error with the code `BAD_REQUEST`.
    pub fn bad_request(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, ErrorCode::BAD_REQUEST, message)
    }

    /// A bug of the server. Its cause is in the log, with the request's id.
    pub fn internal(request_id: &RequestId) -> Self {
        let error = ResponseError::internal(request_id.as_str());
        Self::with_errors(StatusCode::INTERNAL_SERVER_ERROR, [error])
    }

    /// Nothing was executed: the request may be sent again in a second (503).
    pub fn unavailable(errors: impl Into<ResponseErrors>) -> Self {
        let mut rejection = Self::with_errors(StatusCode::SERVICE_UNAVAILABLE, errors);
        let seconds = HeaderValue::from_static("1");
        rejection.headers.insert(header::RETRY_AFTER, seconds);
        rejection
    }

    /// A rejection with these errors.
    pub fn with_errors(status: StatusCode, errors: impl Into<ResponseErrors>) -> Self {
        Self {
            status,
            errors: errors.into(),
            headers: HeaderMap::new(),
        }
    }

    /// Whether one of the errors has this code.
    pub fn has(&self, code: ErrorCode) -> bool {
        self.errors.iter().any(|error| error.code == code)
    }

    /// The message of the first error.
    pub fn message(&self) -> &str {
        self.errors.first().map_or("", |error| &error.message)
    }

    /// Stores the code of the first error as an extension of the response, for the application's log.
    pub(super) fn attach_code(&self, response: &mut Response) {
        if let Some(error) = self.errors.first() {
            response.extensions_mut().insert(error.code);
        }
    }

    /// The list of errors as JSON, `[{"message":…}]`.
    pub fn errors_json(&self) -> Bytes {
        json(&*self.errors)
    }

    /// A whole response, `{"errors":[…]}`, with no `data` since nothing was executed.
    pub fn body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Body<'e> {
            errors: &'e [ResponseError],
        }
        json(&Body {
            errors: &self.errors,
        })
    }
}

/// Serializing errors cannot fail.
fn json(value: &(impl Serialize + ?Sized)) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_is_a_response_without_data() {
        let rejection = Rejection::bad_request(StatusCode::BAD_REQUEST, "no");
        let expected = r#"{"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}"#;
        assert_eq!(rejection.body(), expected);
    }
}
