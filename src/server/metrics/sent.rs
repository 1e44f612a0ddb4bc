//! Counts the bytes of a body whose length is not known in advance.

use axum::body::Body;
use axum::response::Response;
use futures_util::TryStreamExt as _;
use prometheus_client::metrics::counter::Counter;

/// Counts the bytes of the body as they are sent.
pub(super) fn count(response: &mut Response, bytes: Counter) {
    let body = std::mem::take(response.body_mut()).into_data_stream();
    let counted = body.inspect_ok(move |part| _ = bytes.inc_by(part.len() as u64));
    *response.body_mut() = Body::from_stream(counted);
}
