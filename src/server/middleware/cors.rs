//! Cross-origin requests (the CORS protocol of the Fetch standard): which pages of other sites may read responses.
//!
//! By default none may. Credentials (cookies) are never allowed; tokens are in `Authorization`, which a page sets
//! itself. Only responses that depend on the origin have `Vary: Origin`, so that caches can otherwise keep one response
//! for all.
//!
//! tower-http's CORS layer is not used: it answers every OPTIONS request as a preflight, so that none lists the methods;
//! it sends `Access-Control-Expose-Headers` to pages that may not read; it cannot send `Timing-Allow-Origin`; and it
//! fills a header map for every request, even if no origin is allowed.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::report::SERVER_TIMING;
use crate::graphql::headers::is_listed_origin;

/// Headers that a page may read besides the safelisted ones.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "allow, etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id",
);

/// How long a browser may cache a preflight response, in seconds; this is Chromium's maximum.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Which pages may read `Server-Timing` (W3C Resource Timing).
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");

const ANY: HeaderValue = HeaderValue::from_static("*");

/// The origins that may read responses, such as `https://example.com`; `*` allows all.
pub(super) type Origins = Arc<[String]>;

/// Whether the page that sent a request may read the response.
pub(super) enum Permission {
    /// No page of another site may read anything.
    Closed,
    /// Some pages may; the fields are the permission of this one.
    Asked {
        allowed: Option<HeaderValue>,
        is_preflight: bool,
    },
}

impl Permission {
    /// The permission of the request, and the response if it is a preflight request.
    pub(super) fn of(origins: &Origins, request: &Request) -> (Self, Option<Response>) {
        if origins.is_empty() {
            return (Self::Closed, None);
        }
        let headers = request.headers();
        let allowed = allowed_origin(origins, headers);
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let answer = is_preflight.then(|| preflight(headers, allowed.is_some()));
        let permission = Self::Asked {
            allowed,
            is_preflight,
        };
        (permission, answer)
    }

    /// Adds the permission to the response.
    pub(super) fn grant(self, response: &mut Response) {
        let Self::Asked {
            allowed,
            is_preflight,
        } = self
        else {
            return;
        };
        let headers = response.headers_mut();
        if allowed != Some(ANY) {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = allowed {
            if headers.contains_key(SERVER_TIMING) {
                headers.insert(TIMING_ALLOW_ORIGIN, origin.clone());
            }
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if !is_preflight {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
        }
    }
}

/// The value of `Access-Control-Allow-Origin`.
fn allowed_origin(origins: &[String], request: &HeaderMap) -> Option<HeaderValue> {
    if origins.iter().any(|listed| listed == "*") {
        return Some(ANY);
    }
    let origin = request.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    is_listed_origin(origins, text).then(|| origin.clone())
}

/// Any request header is allowed: access depends on a token, not on the name of a header.
fn preflight(request: &HeaderMap, is_allowed: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    if is_allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        if let Some(wanted) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
    }
    response
}
