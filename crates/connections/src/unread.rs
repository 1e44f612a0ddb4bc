//! Requests that get their response before all of their body was read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

/// A body up to this size is read with the head, or soon after, so that its connection can be reused.
const SMALL: u64 = 16 * 1024;

/// The body for a handler, and, unless it is small, a flag that is set when it has been read to its end.
pub(super) fn watched(body: Incoming) -> (Body, Option<Arc<AtomicBool>>) {
    if body.is_end_stream() || body.size_hint().upper().is_some_and(|bytes| bytes <= SMALL) {
        return (Body::new(body), None);
    }
    let has_ended = Arc::new(AtomicBool::new(false));
    let watched = Watched {
        body,
        has_ended: Arc::clone(&has_ended),
    };
    (Body::new(watched), Some(has_ended))
}

/// Adds `Connection: close` to the response where the body was not read to its end.
pub(super) fn announce_close(response: &mut Response, has_ended: Option<Arc<AtomicBool>>) {
    if has_ended.is_some_and(|has_ended| !has_ended.load(Ordering::Relaxed)) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

struct Watched {
    body: Incoming,
    has_ended: Arc<AtomicBool>,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.has_ended.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
