//! Reading the body of a POST: its media type, its encoding, its size.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::BytesMut;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::http::bad_request;
use super::negotiation::{BodyType, body_type};
use super::operation::Refusal;
use crate::caller_limits;
use crate::error::ErrorCode;
use crate::headers::list;

/// The content encodings that are decoded before a handler reads.
const DECODED: HeaderValue = HeaderValue::from_static("gzip, br, zstd");

/// The body was too long in coming.
pub(super) fn out_of_time() -> Refusal {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let message = "the request took too long to arrive";
    let mut refusal = Refusal::new(status, ErrorCode::Timeout, message);
    let seconds = HeaderValue::from_static("1");
    refusal.headers.insert(RETRY_AFTER, seconds);
    refusal
}

/// Reads the body of a POST, which must be JSON by what its head says. `count` is told of the bytes as they come.
pub(super) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
    count: impl FnMut(usize) -> Result<(), caller_limits::Rejection>,
) -> Result<Bytes, Refusal> {
    let unsupported = |message| bad_request(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    let no_body = || bad_request(StatusCode::BAD_REQUEST, "the request has no body");
    match body_type(headers) {
        BodyType::Json => {}
        BodyType::Unnamed if body.size_hint().exact() == Some(0) => return Err(no_body()),
        BodyType::Unnamed | BodyType::Other => {
            return Err(unsupported(
                "the body must be of the media type application/json, in UTF-8",
            ));
        }
    }
    // What was decoded has lost this header by now.
    if list(headers, CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let mut refusal = unsupported("the body may be encoded with gzip, br or zstd, once");
        refusal.headers.insert(ACCEPT_ENCODING, DECODED);
        return Err(refusal);
    }
    let body = read_body(body, max_bytes, count).await?;
    if body.is_empty() {
        return Err(no_body());
    }
    Ok(body)
}

/// Reads no more than the limit, of a body that grows while it is decompressed too.
async fn read_body(
    body: Body,
    max_bytes: usize,
    mut count: impl FnMut(usize) -> Result<(), caller_limits::Rejection>,
) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("the body is larger than {max_bytes} bytes");
        bad_request(StatusCode::PAYLOAD_TOO_LARGE, &message)
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max_bytes {
        return Err(too_large());
    }
    let mut body = Limited::new(body, max_bytes);
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return too_large();
            }
            let message = format!("the body could not be read: {error}");
            bad_request(StatusCode::BAD_REQUEST, &message)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        count(data.len())?;
        // Most bodies come in one piece, which is not copied.
        if whole.is_empty() && parts.is_empty() {
            whole = data;
        } else {
            if parts.is_empty() {
                parts.reserve(announced.max(whole.len() + data.len()));
                parts.extend_from_slice(&std::mem::take(&mut whole));
            }
            parts.extend_from_slice(&data);
        }
    }
    Ok(match parts.is_empty() {
        true => whole,
        false => parts.freeze(),
    })
}
