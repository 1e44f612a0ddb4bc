//! The id of a request: the caller's where it is valid, or a new one. It is in the response, and in every line of the
//! log.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header of requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum number of characters of an id that a caller chooses.
const MAX_LENGTH: usize = 128;

/// The id of the current request. A middleware that assigns ids leaves it as an extension of the request; otherwise the
/// transports generate one.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl Default for RequestId {
    /// Empty, for operations without a request.
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

impl RequestId {
    /// The caller's `X-Request-Id` where it is valid, or else a new one from `new`.
    pub fn of(headers: &HeaderMap, new: impl FnOnce() -> Uuid) -> Self {
        let callers = headers
            .get(HEADER)
            .filter(|value| value.to_str().is_ok_and(is_sane));
        // A copy: the value itself would keep the whole buffer of the request's head in memory.
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

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Writes it into the headers of the response.
    pub fn keep(&self, headers: &mut HeaderMap) {
        headers.insert(HEADER, self.0.clone());
    }
}

/// Whether an id can be used in a header and in a log unchanged.
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
    fn a_valid_id_of_the_caller_is_kept() {
        assert!(is_sane("req-1/a:b.C_d+e="));
        assert!(is_sane(&"a".repeat(128)));
        for id in ["", "a b", "a\nb", "é", "<script>", &"a".repeat(129)] {
            assert!(!is_sane(id), "{id:?}");
        }
    }
}
