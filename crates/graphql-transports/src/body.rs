//! Reads the body of a POST: checks its media type, decodes it, and limits its size.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::BytesMut;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::error::{ErrorCode, ResponseError};
use super::headers::list;
use super::negotiation::{BodyType, body_type};
use super::rejection::Rejection;

/// The body took too long to arrive.
pub(super) fn body_timed_out() -> Rejection {
    let message = "the request took too long to arrive";
    Rejection::unavailable([ResponseError::new(ErrorCode::TIMEOUT, message)])
}

/// The limits of a request's body.
pub(super) struct BodyLimits<'e> {
    /// The maximum number of bytes, after decompression.
    pub(super) max_bytes: usize,
    /// The content encodings that a layer has decoded before the handler; `None` where there are none.
    pub(super) decoded: Option<&'e HeaderValue>,
}

/// Reads the body of a POST, whose `Content-Type` must be JSON. `count` receives the numbers of bytes as they arrive.
pub(super) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits<'_>,
    count: impl FnMut(usize) -> Result<(), Rejection>,
) -> Result<Bytes, Rejection> {
    let unsupported = |message| Rejection::bad_request(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    let no_body = || Rejection::bad_request(StatusCode::BAD_REQUEST, "the request has no body");
    match body_type(headers) {
        BodyType::Json => {}
        BodyType::Unnamed if body.size_hint().exact() == Some(0) => return Err(no_body()),
        BodyType::Unnamed | BodyType::Other => {
            return Err(unsupported(
                "the body must be of the media type application/json, in UTF-8",
            ));
        }
    }
    // A decoding layer has removed this header.
    if list(headers, CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(not_decoded(limits.decoded));
    }
    let body = read_body(body, limits.max_bytes, count).await?;
    if body.is_empty() {
        return Err(no_body());
    }
    Ok(body)
}

fn not_decoded(decoded: Option<&HeaderValue>) -> Rejection {
    let encodings = decoded.and_then(|decoded| decoded.to_str().ok());
    let message = match encodings {
        Some(encodings) => format!("the body may be encoded with {}, once", any_of(encodings)),
        None => "the body must not be encoded".to_owned(),
    };
    let mut rejection = Rejection::bad_request(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    let identity = HeaderValue::from_static("identity");
    let accepted = decoded.cloned().unwrap_or(identity);
    rejection.headers.insert(ACCEPT_ENCODING, accepted);
    rejection
}

/// `a, b, c` as `a, b or c`.
fn any_of(encodings: &str) -> String {
    match encodings.rsplit_once(", ") {
        Some((others, last)) => format!("{others} or {last}"),
        None => encodings.to_owned(),
    }
}

/// Reads up to the limit, which applies to the decompressed size too.
async fn read_body(
    body: Body,
    max_bytes: usize,
    mut count: impl FnMut(usize) -> Result<(), Rejection>,
) -> Result<Bytes, Rejection> {
    let too_large = || {
        let message = format!("the body is larger than {max_bytes} bytes");
        Rejection::bad_request(StatusCode::PAYLOAD_TOO_LARGE, message)
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
            Rejection::bad_request(StatusCode::BAD_REQUEST, message)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        count(data.len())?;
        // Most bodies arrive in one piece, which is not copied.
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
