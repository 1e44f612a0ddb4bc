//! Why a caller is not admitted, and the HTTP response for it (RFC 6750).

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::caller::Scope;
use graphql_transports::error::ErrorCode;

/// Why a caller is not admitted. Nothing was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no token, and the scope needs one (401).
    #[error("this needs a token with the scope {0}: send Authorization: Bearer TOKEN")]
    TokenNeeded(Scope),
    /// The token is not valid (401).
    #[error("the token is not valid: {0}")]
    InvalidToken(#[from] TokenError),
    /// The token is valid, but lacks the scope (403).
    #[error("the token does not have the scope {0}")]
    InsufficientScope(Scope),
    /// The keys of the token's issuer were never fetched, or the last set is too old (503).
    #[error("the keys of the token's issuer are not available at the moment; try again later")]
    KeysMissing,
}

/// What is wrong with a token. The holder of the token may read this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("Authorization is not of the form Bearer TOKEN")]
    Form,
    #[error("it is longer than 8192 bytes")]
    TooLong,
    #[error("it is unknown")]
    Unknown,
    #[error("it has expired")]
    Expired,
    #[error("it is not a well-formed JWT")]
    Malformed,
    #[error("its header requires something that is not supported")]
    Unsupported,
    #[error("its issuer is not trusted here")]
    Issuer,
    #[error("it is for another audience")]
    Audience,
    #[error("it has no exp")]
    NoExpiry,
    #[error("it is not valid yet")]
    NotYet,
    #[error("its issuer has no such key")]
    Key,
    #[error("its signature does not match")]
    Signature,
}

impl TokenError {
    /// The number of variants.
    pub(super) const COUNT: usize = Self::Signature as usize + 1;
}

impl Rejection {
    /// The status over HTTP.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TokenNeeded(_) | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Self::KeysMissing => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code of the error, `extensions.code`. The message is what it displays.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::TokenNeeded(_) | Self::InvalidToken(_) => ErrorCode::UNAUTHENTICATED,
            Self::InsufficientScope(_) => ErrorCode::FORBIDDEN,
            Self::KeysMissing => ErrorCode::UNAVAILABLE,
        }
    }

    /// `WWW-Authenticate` for 401 and 403, `Retry-After` for 503.
    pub fn headers(self) -> HeaderMap {
        let (name, value) = match self {
            // Without a token, RFC 6750 forbids an error code.
            Self::TokenNeeded(scope) => (
                header::WWW_AUTHENTICATE,
                format!(r#"Bearer realm="broadsheet", scope="{scope}""#),
            ),
            Self::InvalidToken(error) => (
                header::WWW_AUTHENTICATE,
                format!(
                    r#"Bearer realm="broadsheet", error="invalid_token", error_description="{error}""#
                ),
            ),
            Self::InsufficientScope(scope) => (
                header::WWW_AUTHENTICATE,
                format!(
                    r#"Bearer realm="broadsheet", error="insufficient_scope", scope="{scope}""#
                ),
            ),
            Self::KeysMissing => (header::RETRY_AFTER, RETRY_AFTER.as_secs().to_string()),
        };
        // All of it is ASCII without quotes.
        HeaderValue::try_from(value)
            .map(|value| HeaderMap::from_iter([(name, value)]))
            .unwrap_or_default()
    }
}

/// After this time the keys of an issuer may be available: fetches are first retried this often.
const RETRY_AFTER: Duration = Duration::from_secs(2);
