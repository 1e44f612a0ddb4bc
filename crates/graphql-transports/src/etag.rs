//! Entity tags: a client or a cache that still has a response gets 304 instead of the same bytes.
//!
//! A strong tag identifies one sequence of bytes, so each content encoding has its own. An outer layer decides whether
//! a response is compressed, so tags are set outside that layer.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use super::headers::list;

/// The hash of a media type and a body before compression, as an extension of the response; [`Conditions::apply`]
/// makes it the `ETag`.
#[derive(Clone, Copy, Debug)]
pub struct ContentHash(u128);

impl ContentHash {
    /// Half of the SHA-256: enough that no two responses share a hash, neither by chance nor by malice.
    pub fn of(media_type: &HeaderValue, body: &[u8]) -> Self {
        let mut hash = Sha256::new_with_prefix(media_type);
        hash.update([0]);
        hash.update(body);
        let bytes = hash.finalize();
        let half = bytes.iter().take(size_of::<u128>());
        Self(half.fold(0, |hash, byte| hash << 8 | u128::from(*byte)))
    }
}

/// The conditional headers of a request.
pub struct Conditions(Option<HeaderMap>);

impl Conditions {
    /// The headers of a request, if it is a GET or HEAD.
    pub fn of(request: &Request) -> Self {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let has_any = is_read && request.headers().contains_key(header::IF_NONE_MATCH);
        Self(has_any.then(|| {
            let values = request.headers().get_all(header::IF_NONE_MATCH).iter();
            values
                .map(|value| (header::IF_NONE_MATCH, value.clone()))
                .collect()
        }))
    }

    /// Sets `ETag` where the handler has left a [`ContentHash`], and turns the response into a 304 where
    /// `If-None-Match` contains the tag.
    pub fn apply(&self, response: &mut Response) {
        let Some(ContentHash(hash)) = response.extensions_mut().remove() else {
            return;
        };
        let headers = response.headers_mut();
        let encoding = headers
            .get(header::CONTENT_ENCODING)
            .and_then(|encoding| encoding.to_str().ok());
        let etag = match encoding {
            Some(encoding) => format!("\"{hash:032x}-{encoding}\""),
            None => format!("\"{hash:032x}\""),
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

/// Whether `If-None-Match` contains this tag, by weak comparison (RFC 9110, section 13.1.2).
pub fn matches_etag(request: &HeaderMap, etag: &str) -> bool {
    list(request, header::IF_NONE_MATCH)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
