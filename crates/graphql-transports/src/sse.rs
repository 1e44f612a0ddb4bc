//! GraphQL over server-sent events, in the distinct-connections mode of the graphql-sse protocol:
//! one request, one operation, one stream of `next` events that a `complete` ends.
//!
//! The HTTP side has read the parameters already. A stream that is cut off without `complete` (the
//! server stops, the token ends, the network breaks) is to be resumed: the id of its last event is the cursor.

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
use super::operation::{Caller, Execute, GraphQLParams, Outcome, Transport, or_never};
use super::rejection::Rejection;

/// How a stream is kept up.
#[derive(Clone, Copy, Debug)]
pub struct SseSettings {
    /// A comment, or the id of the position reached, is sent whenever this long nothing else was. It keeps proxies from
    /// closing the connection, finds out that the client has gone, and keeps the client's cursor from expiring.
    pub keep_alive: Duration,
}

impl Default for SseSettings {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(12),
        }
    }
}

/// Nothing to a client; sent first, it takes the headers past whatever waits for a body.
const COMMENT: Bytes = Bytes::from_static(b": \n\n");

/// `data` must be there although it is empty: browsers dispatch no event without it.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");

/// `Last-Event-ID`, which a browser sends by itself when it connects again.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What the headers say about resuming, for [`Caller::last_event_id`]. Empty is the same as absent.
pub fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// Runs the operation and responds with its events.
///
/// The errors of a document that is wrong are sent in the stream, as the protocol demands, because browsers show nothing
/// of a response that is not 200. Any other rejection (401, 405, 429, 503) keeps its status, by which clients and proxies
/// know what to do, with a JSON body.
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
        // Asks nginx, and those who follow it, not to hold events back.
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
    rejection.leave_code(&mut response);
    response
}

/// An operation with one result. It has been executed, so it is sent also when the server stops.
fn single(json: Bytes) -> Body {
    /// An event and the response that it is of, which counts until the event is sent.
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

/// The stream as bytes: events, signs of life in between, and `complete` where the operation ended.
///
/// The next event is asked for only when the one before it has been taken, so a slow client slows
/// its own source and nothing piles up here. The stream breaks off when the server stops, or `ended` comes.
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
            () = or_never(ended.as_mut()) => return None,
            event = events.stream.next() => match event {
                Some(event) => next(&event),
                None => return Some((COMPLETE, None)),
            },
            () = sleep_until(quiet_until) => sign_of_life(&events),
        };
        Some((bytes, Some((events, shutdown, ended))))
    });
    stream::iter([COMMENT]).chain(following)
}

/// Where the source has moved on although no event came, the id with which the client resumes; else a comment.
///
/// A block with an id and no data sets the last event id of a client, and dispatches no event.
fn sign_of_life(events: &Events) -> Bytes {
    let Some(position) = events.take_position().filter(|id| is_valid_id(id)) else {
        return COMMENT;
    };
    format!("id: {position}\n\n").into()
}

fn is_valid_id(id: &str) -> bool {
    !id.contains(['\n', '\r', '\0'])
}

/// A `next` event; JSON of more than one line becomes as many `data` lines, which clients join again.
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
