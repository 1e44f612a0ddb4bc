//! Entity tags: a client or a cache that still has an answer is told so instead of being sent it again.
//!
//! A strong tag names one sequence of bytes, so each content encoding has its own. Whether an answer is
//! compressed is decided around the handlers, so tags are given around that.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use crate::headers::list;
use crate::hex::Hex;

/// Bytes of the hash that a tag shows: enough that no two answers share one by chance or by malice.
const SHOWN_BYTES: usize = 16;

/// The hash of a media type and a body before compression, as an extension of the response; [`Conditions::apply`]
/// makes it the `ETag`.
#[derive(Clone, Debug)]
pub(crate) struct ContentHash(String);

impl ContentHash {
    pub(crate) fn of(media_type: &HeaderValue, body: &[u8]) -> Self {
        let mut hash = Sha256::new_with_prefix(media_type);
        hash.update([0]);
        hash.update(body);
        Self(Hex(&hash.finalize()[..SHOWN_BYTES]).to_string())
    }
}

/// What a request asks under the condition that the client does not have it already.
pub(crate) struct Conditions(Option<HeaderMap>);

impl Conditions {
    pub(crate) fn of(request: &Request) -> Self {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let has_any = is_read && request.headers().contains_key(header::IF_NONE_MATCH);
        Self(has_any.then(|| {
            let values = request.headers().get_all(header::IF_NONE_MATCH).iter();
            values
                .map(|value| (header::IF_NONE_MATCH, value.clone()))
                .collect()
        }))
    }

    /// Sets `ETag` where the handler gave a [`ContentHash`], and makes a 304 of what `If-None-Match` names.
    pub(crate) fn apply(&self, response: &mut Response) {
        let Some(ContentHash(hash)) = response.extensions_mut().remove() else {
            return;
        };
        let headers = response.headers_mut();
        let encoding = headers
            .get(header::CONTENT_ENCODING)
            .and_then(|encoding| encoding.to_str().ok());
        let etag = match encoding {
            Some(encoding) => format!("\"{hash}-{encoding}\""),
            None => format!("\"{hash}\""),
        };
        let is_known = matches!(&self.0, Some(conditions) if matches_etag(conditions, &etag));
        if let Ok(etag) = HeaderValue::try_from(etag) {
            headers.insert(header::ETAG, etag);
        }
        if is_known {
            for name in [
                header::CONTENT_TYPE,
                header::CONTENT_LENGTH,
                header::CONTENT_ENCODING,
            ] {
                headers.remove(name);
            }
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
        }
    }
}

/// Whether `If-None-Match` names this tag; the comparison is the weak one (RFC 9110, section 13.1.2).
pub(crate) fn matches_etag(request: &HeaderMap, etag: &str) -> bool {
    list(request, header::IF_NONE_MATCH)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
