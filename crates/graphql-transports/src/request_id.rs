//! The id of a request: the caller's where it is sane, or a new one; in the response, and in every line of the log.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header of requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The most characters of an id that a caller may choose.
const MAX_LENGTH: usize = 128;

/// The id of the request under way. A middleware that gives requests their ids leaves it as an extension of the request;
/// otherwise the transports make one.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl Default for RequestId {
    /// None: of what is executed without a request.
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

impl RequestId {
    /// The caller's `X-Request-Id` where it is sane, or else a new one, which `new` makes.
    pub fn of(headers: &HeaderMap, new: impl FnOnce() -> Uuid) -> Self {
        let callers = headers
            .get(HEADER)
            .filter(|value| value.to_str().is_ok_and(is_sane));
        // A copy: the value itself keeps all of the buffer that the head was read into.
        if let Some(copy) = callers.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok())
        {
            return Self(copy);
        }
        let id = new();
        let mut buffer = Uuid::encode_buffer();
        let text = id.hyphenated().encode_lower(&mut buffer);
        // An id is made of digits, letters and hyphens.
        Self(HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("")))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Writes it into the headers of the response.
    pub fn keep(&self, headers: &mut HeaderMap) {
        headers.insert(HEADER, self.0.clone());
    }
}

/// Whether an id may stand in a header and in a log as it is.
fn is_sane(id: &str) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::is_sane;

    #[test]
    fn a_callers_id_is_kept_when_it_is_sane() {
        assert!(is_sane("req-1/a:b.C_d+e="));
        assert!(is_sane(&"a".repeat(128)));
        for id in ["", "a b", "a\nb", "é", "<script>", &"a".repeat(129)] {
            assert!(!is_sane(id), "{id:?}");
        }
    }
}
