//! What a caller is told that is beyond a limit.

use std::time::Duration;

use graphql_transports::{RateLimit, write_no_more};
use http::{HeaderMap, StatusCode, header};

use graphql_transports::error::ErrorCode;

/// Why something is beyond a limit. Nothing has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The address has as many requests that share a connection as it may have (429).
    #[error(
        "an address may have {0} requests at a time that share connections; wait for some of yours"
    )]
    TooManyRequestsOfAddress(usize),
    /// The server has as many WebSockets and event streams as it may have (503).
    #[error("the server has too many WebSockets and event streams at the moment; try again later")]
    TooManyStreams,
    /// The caller has as many as it may have (429).
    #[error(
        "a caller may have {0} WebSockets and event streams at a time; close one of yours first"
    )]
    TooManyStreamsOfCaller(usize),
    /// Other bodies take the memory that bodies may take, or those of the same address their share of it (503).
    #[error("the server is busy with the bodies of other requests and responses; try again later")]
    TooManyBytes,
    /// The caller has not enough left of what it may spend in a minute (429).
    #[error(
        "this costs {cost}, but you have {remaining} left of {per_minute} a minute; try again in {} s",
        seconds(*.wait),
        remaining = .rate_limit.remaining(),
        per_minute = .rate_limit.per_minute()
    )]
    Spent {
        /// What was asked costs so much.
        cost: u32,
        /// It will be there after so long.
        wait: Duration,
        /// What there is now.
        rate_limit: RateLimit,
    },
    /// It is more than anybody may spend in a minute (429).
    #[error(
        "this costs {cost}, but a caller may spend {per_minute} a minute: ask for less at a time"
    )]
    TooCostly {
        /// What was asked costs so much.
        cost: u64,
        /// And a caller may spend so much.
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
                write_no_more(&mut headers, "requests", max);
                1
            }
            Self::TooManyStreamsOfCaller(max) => {
                write_no_more(&mut headers, "streams", max);
                5
            }
            Self::Spent {
                wait, rate_limit, ..
            } => {
                rate_limit.write(&mut headers);
                seconds(wait)
            }
            // It is of no use to try it again; but who does so anyway is to wait.
            Self::TooCostly { per_minute, .. } => {
                RateLimit::new(per_minute, per_minute).write(&mut headers);
                60
            }
        };
        headers.insert(header::RETRY_AFTER, retry_after.into());
        headers
    }
}

/// Rounded up, so that it is enough.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
