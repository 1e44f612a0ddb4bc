//! The page for browsers that open the endpoint.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Response};
use bytes::Bytes;

/// A page with its Content-Security-Policy. Clones share it.
#[derive(Debug, Clone)]
pub struct FrontPage {
    html: Bytes,
    policy: HeaderValue,
}

impl FrontPage {
    /// `policy` is the Content-Security-Policy.
    pub fn new(html: impl Into<Bytes>, policy: HeaderValue) -> Self {
        Self {
            html: html.into(),
            policy,
        }
    }

    /// The response to a GET that accepts `text/html`.
    pub fn response(&self) -> Response {
        let headers = [
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (
                header::REFERRER_POLICY,
                HeaderValue::from_static("no-referrer"),
            ),
            (
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ),
        ];
        (headers, Html(self.html.clone())).into_response()
    }
}
