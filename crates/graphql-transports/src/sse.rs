//! GraphQL over server-sent events, in the distinct-connections mode of the graphql-sse protocol: one request, one
//! operation, one stream of `next` events that a `complete` ends.
//!
//! `http` has already parsed the parameters. A client can resume a stream that was cut off without `complete` (the
//! server stops, the token expires, the network fails): the id of its last event is the cursor.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::events::{Event, Events};
use super::idempotency::REPLAYED;
use super::operation::{Caller, Execute, GraphQLParams, Outcome, Transport, or_pending};
use super::rejection::Rejection;

/// The keep-alive of a stream.
#[derive(Clone, Copy, Debug)]
pub struct SseSettings {
    /// A comment, or the id of the current position, is sent when nothing else was sent for this long. It keeps proxies
    /// from closing the connection, detects that the client has disconnected, and keeps the client's cursor from
    /// expiring.
    pub keep_alive: Duration,
}

impl Default for SseSettings {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(12),
        }
    }
}

/// Ignored by clients; sent first, it makes intermediaries that wait for a body forward the headers.
const COMMENT: Bytes = Bytes::from_static(b": \n\n");

/// `data` must be present although it is empty: browsers dispatch no event without it.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");

/// `Last-Event-ID`, which browsers send automatically when they reconnect.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The cursor to resume from, according to the headers; for [`Caller::last_event_id`]. Empty is the same as absent.
pub fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// Runs the operation and responds with its events.
///
/// Request errors of a document are sent in the stream, as the protocol requires, because browsers do not show
/// responses with a status other than 200. Any other rejection (401, 405, 429, 503) keeps its status, so that clients
/// and proxies know what to do, with a JSON body.
pub async fn respond<E: Execute>(
    execute: E,
    params: GraphQLParams,
    caller: &Caller<E::Admitted>,
    transport: Transport,
    settings: SseSettings,
    shutdown: CancellationToken,
) -> Response {
    let outcome = execute.execute(params, caller, transport).await;
    let is_replayed = matches!(outcome, Outcome::Replayed(_));
    let body = match outcome {
        Outcome::Rejected(rejection) if is_about_the_document(rejection.status) => {
            single(rejection.body())
        }
        Outcome::Rejected(rejection) | Outcome::NotBegun(rejection) => return rejected(&rejection),
        Outcome::Single(body) | Outcome::Replayed(body) => single(body.json),
        Outcome::Stream(events) => {
            let ended = execute.ended(caller);
            let written = written(events, settings, shutdown, ended);
            Body::from_stream(written.map(Ok::<_, Infallible>))
        }
    };
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        ),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-transform"),
        ),
        // nginx, and proxies that follow its convention, then do not buffer events.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    let mut response = (headers, body).into_response();
    if is_replayed {
        response.headers_mut().extend([REPLAYED]);
    }
    response
}

fn is_about_the_document(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::BAD_REQUEST
}

fn rejected(rejection: &Rejection) -> Response {
    let mut response = (rejection.status, rejection.body()).into_response();
    let headers = response.headers_mut();
    headers.extend(rejection.headers.clone());
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    headers.insert(CONTENT_TYPE, json);
    rejection.attach_code(&mut response);
    response
}

/// An operation with one result. It has been executed, so it is sent even when the server stops.
fn single(json: Bytes) -> Body {
    /// An event, and its response, which is counted until the event is sent.
    struct Sent(Bytes, #[expect(dead_code, reason = "it counts")] Bytes);
    impl AsRef<[u8]> for Sent {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let event = Event {
        body: json,
        cursor: None,
    };
    let sent = Bytes::from_owner(Sent(next(&event), event.body));
    let parts = [COMMENT, sent, COMPLETE].map(Ok::<_, Infallible>);
    Body::from_stream(stream::iter(parts))
}

/// The stream as bytes: events, keep-alives in between, and `complete` where the operation has ended.
///
/// The next event is produced only after the previous one was taken, so a slow client slows its own source and nothing
/// accumulates here. The stream is cut off when the server stops, or `ended` completes.
fn written(
    events: Events,
    settings: SseSettings,
    shutdown: CancellationToken,
    ended: Option<BoxFuture<'static, ()>>,
) -> impl Stream<Item = Bytes> + Send {
    let following = stream::unfold(Some((events, shutdown, ended)), move |state| async move {
        let (mut events, shutdown, mut ended) = state?;
        let quiet_until = Instant::now() + settings.keep_alive;
        let bytes = tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            () = or_pending(ended.as_mut()) => return None,
            event = events.stream.next() => match event {
                Some(event) => next(&event),
                None => return Some((COMPLETE, None)),
            },
            () = sleep_until(quiet_until) => keep_alive(&events),
        };
        Some((bytes, Some((events, shutdown, ended))))
    });
    stream::iter([COMMENT]).chain(following)
}

/// The id with which the client can resume, where the source has advanced although it produced no event; otherwise a
/// comment.
///
/// A block with an id and no data sets a client's last event id, and dispatches no event.
fn keep_alive(events: &Events) -> Bytes {
    let Some(position) = events.take_position().filter(|id| is_valid_id(id)) else {
        return COMMENT;
    };
    format!("id: {position}\n\n").into()
}

fn is_valid_id(id: &str) -> bool {
    !id.contains(['\n', '\r', '\0'])
}

/// A `next` event; each line of the JSON becomes a `data` line, which clients join again.
fn next(event: &Event) -> Bytes {
    let mut text = BytesMut::with_capacity(event.body.len() + 128);
    text.put_slice(b"event: next\n");
    if let Some(cursor) = &event.cursor
        && is_valid_id(cursor)
    {
        text.put_slice(b"id: ");
        text.put_slice(cursor.as_bytes());
        text.put_u8(b'\n');
    }
    for line in event.body.split(|byte| matches!(byte, b'\n' | b'\r')) {
        text.put_slice(b"data: ");
        text.put_slice(line);
        text.put_u8(b'\n');
    }
    text.put_u8(b'\n');
    text.freeze()
}
