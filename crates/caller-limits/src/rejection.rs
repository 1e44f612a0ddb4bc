//! The response to a caller that exceeds a limit.

use std::time::Duration;

use graphql_transports::{RateLimit, write_exhausted};
use http::{HeaderMap, StatusCode, header};

use graphql_transports::error::ErrorCode;

/// Which limit is exceeded. Nothing was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The address has too many requests that share connections (429).
    #[error(
        "an address may have {0} concurrent requests on shared connections; wait for some of yours"
    )]
    TooManyRequestsOfAddress(usize),
    /// The server has too many WebSockets and event streams (503).
    #[error("the server has too many WebSockets and event streams at the moment; try again later")]
    TooManyStreams,
    /// The caller has too many of them (429).
    #[error(
        "a caller may have {0} WebSockets and event streams at a time; close one of yours first"
    )]
    TooManyStreamsOfCaller(usize),
    /// Bodies of all callers exceed the memory for bodies, or those of the same address exceed their share (503).
    #[error("the server is busy with the bodies of other requests and responses; try again later")]
    TooManyBytes,
    /// The caller has too little left of its cost per minute (429).
    #[error(
        "this costs {cost}, but you have {remaining} left of {per_minute} per minute; try again in {} s",
        seconds(*.wait),
        remaining = .rate_limit.remaining(),
        per_minute = .rate_limit.per_minute()
    )]
    Spent {
        /// The cost of the operation.
        cost: u32,
        /// The time until the caller has enough left.
        wait: Duration,
        /// The caller's limit and what is left of it.
        rate_limit: RateLimit,
    },
    /// The cost is above what any caller may spend in a minute (429).
    #[error(
        "this costs {cost}, but a caller may spend {per_minute} per minute: request less at a time"
    )]
    TooCostly {
        /// The cost of the operation.
        cost: u64,
        /// The limit per caller and minute.
        per_minute: u32,
    },
}

impl Rejection {
    /// The status over HTTP.
    pub fn status(self) -> StatusCode {
        match self.code() {
            ErrorCode::RATE_LIMITED => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code of the error, `extensions.code`. The message is what it displays.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::TooManyStreams | Self::TooManyBytes => ErrorCode::UNAVAILABLE,
            Self::TooManyRequestsOfAddress(_)
            | Self::TooManyStreamsOfCaller(_)
            | Self::Spent { .. }
            | Self::TooCostly { .. } => ErrorCode::RATE_LIMITED,
        }
    }

    /// `Retry-After`, and `RateLimit` and `RateLimit-Policy` with 429.
    pub fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let retry_after = match self {
            Self::TooManyStreams | Self::TooManyBytes => 1,
            Self::TooManyRequestsOfAddress(max) => {
                write_exhausted(&mut headers, "requests", max);
                1
            }
            Self::TooManyStreamsOfCaller(max) => {
                write_exhausted(&mut headers, "streams", max);
                5
            }
            Self::Spent {
                wait, rate_limit, ..
            } => {
                rate_limit.write(&mut headers);
                seconds(wait)
            }
            // Retrying is of no use; a client that does so anyway should wait.
            Self::TooCostly { per_minute, .. } => {
                RateLimit::new(per_minute, per_minute).write(&mut headers);
                60
            }
        };
        headers.insert(header::RETRY_AFTER, retry_after.into());
        headers
    }
}

/// Rounded up, so that the wait is long enough.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
