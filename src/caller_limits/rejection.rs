//! What a caller is told that is beyond a limit.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::ErrorCode;

/// The fields of draft-ietf-httpapi-ratelimit-headers-11: what is left, and of how much.
pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(super) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Why something is beyond a limit. Nothing has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The server has as many WebSockets and event streams as it may have (503).
    #[error("the server has too many WebSockets and event streams at the moment; try again later")]
    TooManyStreams,
    /// The caller has as many as it may have (429).
    #[error(
        "a caller may have {0} WebSockets and event streams at a time; close one of yours first"
    )]
    TooManyStreamsOfCaller(usize),
    /// Other bodies take the memory that bodies may take, or those of the same address their share of it (503).
    #[error("the server is busy with the bodies of other requests; try again later")]
    TooManyBytes,
}

impl Rejection {
    /// The status over HTTP.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooManyStreams | Self::TooManyBytes => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyStreamsOfCaller(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The code of the error, `extensions.code`. The message is what it displays.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::TooManyStreams | Self::TooManyBytes => ErrorCode::Unavailable,
            Self::TooManyStreamsOfCaller(_) => ErrorCode::RateLimited,
        }
    }

    /// `Retry-After`, and `RateLimit` and `RateLimit-Policy` with 429.
    pub fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut insert = |name, value: String| {
            // All of it is ASCII.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        match self {
            Self::TooManyStreams | Self::TooManyBytes => {
                insert(header::RETRY_AFTER, "1".to_owned())
            }
            Self::TooManyStreamsOfCaller(max) => {
                insert(header::RETRY_AFTER, "5".to_owned());
                insert(RATE_LIMIT, r#""streams";r=0"#.to_owned());
                let policy = format!(r#""streams";q={max};qu="concurrent-requests""#);
                insert(RATE_LIMIT_POLICY, policy);
            }
        }
        headers
    }
}
