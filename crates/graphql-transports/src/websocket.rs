//! GraphQL over WebSocket: the `graphql-transport-ws` protocol, as graphql-ws, Apollo and urql speak it.
//!
//! This file decides who gets a socket; `socket` implements the protocol on one, `operation` the operations on it and
//! `authorization` their own tokens, `message` its messages, `closing` its end. async-graphql's own WebSocket does not
//! implement the whole protocol, and the extractor of async-graphql-axum (`GraphQLProtocol`) rejects with 400 where the
//! protocol requires 4406, prefers the obsolete `graphql-ws` where a client offers both, and does not expose its
//! choice: neither is used here.

mod authorization;
mod closing;
pub mod message;
mod operation;
mod origin;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::WebSocketUpgrade;
use axum::http::header::{CONNECTION, ORIGIN, UPGRADE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::{FutureExt as _, StreamExt as _};
use tracing::{Instrument as _, Span};

use super::error::ErrorCode;
use super::limits::LimitCallers as _;
use super::operation::{Caller, Execute};
use super::rejection::Rejection;
use super::shutdown::Shutdown;

/// The only supported subprotocol.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Buffers start small, because a server holds thousands of mostly idle sockets. This is also the maximum of one read:
/// long messages take more calls.
const BUFFER_BYTES: usize = 512;

/// The limits of a socket.
#[derive(Clone, Debug)]
pub struct WebSocketSettings {
    /// The time limit for a client to send `connection_init` and be admitted; then 4408.
    pub initialisation: Duration,
    /// The interval between the server's pings. They are frames of WebSocket itself, which browsers and libraries
    /// answer without the page's code, and which every version of the protocol has.
    pub ping_every: Duration,
    /// A client that has sent nothing for this long, not even a pong, counts as gone, and its connection is dropped.
    /// Long enough for a client that stops reading for a minute, because it does not answer pings that it has not read.
    pub silence: Duration,
    /// The maximum length of a client's message, in bytes; then 1009.
    pub message_bytes: usize,
    /// The maximum number of concurrent operations on one socket; further ones are rejected with `TOO_COMPLEX`.
    pub operations: usize,
    /// The maximum number of messages that wait for a slow client, for all its operations together; also how many
    /// messages one operation may send before another gets its turn.
    pub queue: usize,
    /// How long the server waits for a client to confirm a close.
    pub close_timeout: Duration,
    /// Origins, such as `https://example.com`, whose pages may connect besides those of this host; `*` allows all.
    pub origins: Vec<String>,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self {
            initialisation: Duration::from_secs(10),
            ping_every: Duration::from_secs(20),
            silence: Duration::from_secs(90),
            message_bytes: 2 * 1024 * 1024,
            operations: 100,
            queue: 4,
            close_timeout: Duration::from_secs(5),
            origins: Vec::new(),
        }
    }
}

/// The rejected origin of a page: an extension of the response, for the application's log.
#[derive(Clone, Debug)]
pub struct ForeignOrigin(pub HeaderValue);

/// Responds to a handshake, and serves the socket in its own task until it ends.
///
/// A page of another origin gets 403: browsers let any page open a socket to any host, and send this host's cookies
/// along. A client that does not offer the subprotocol gets a socket that closes with 4406, because browsers only
/// expose the reason of a close. When the server stops, operations under way are finished, and the socket closes with
/// 1001; `shutdown` waits for it.
pub fn upgrade<E: Execute>(
    upgrade: WebSocketUpgrade,
    execute: E,
    mut caller: Caller<E::Admitted>,
    settings: Arc<WebSocketSettings>,
    shutdown: &Shutdown,
) -> Response {
    if !origin::is_allowed(&caller.headers, &settings.origins) {
        let mut response = rejected(&foreign_origin());
        if let Some(origin) = caller.headers.remove(ORIGIN) {
            response.extensions_mut().insert(ForeignOrigin(origin));
        }
        return response;
    }
    // Until `connection_init` identifies the caller, the socket counts for the address.
    let stream = match execute.limits().open_stream(&caller) {
        Ok(stream) => stream,
        Err(error) => return rejected(&error.into()),
    };
    caller.headers = copied_headers(&caller.headers);
    let mut upgrade = upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(settings.message_bytes)
        .max_frame_size(settings.message_bytes);
    let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
    let speaks = upgrade
        .requested_protocols()
        .any(|offered| *offered == subprotocol);
    if speaks {
        upgrade.set_selected_protocol(subprotocol);
    }
    // Held from here on, because the server does not wait for a connection that has been upgraded.
    let held = shutdown.hold();
    let stop = shutdown.token().clone();
    // The log shows the socket's lines in the span of the handshake's request.
    let span = Span::current();
    upgrade.on_upgrade(move |socket| {
        // Everything that is captured here lives as long as the socket: the halves are smaller than the whole.
        let halves = socket.split();
        let conversation = if speaks {
            socket::serve(halves, execute, caller, settings, stream, stop).boxed()
        } else {
            let end = message::close(4406, "Subprotocol not acceptable");
            let closed = socket::close_at_once(halves, end, settings);
            closed.map(move |()| drop(stream)).boxed()
        };
        conversation.map(move |()| drop(held)).instrument(span)
    })
}

/// The headers of the handshake that are kept with the socket: copies, because each header keeps the whole buffer of
/// the request's head in memory, and without those that only concern the handshake.
fn copied_headers(headers: &HeaderMap) -> HeaderMap {
    let is_copied = |name: &HeaderName| {
        *name != CONNECTION && *name != UPGRADE && !name.as_str().starts_with("sec-websocket-")
    };
    let mut copies =
        HeaderMap::with_capacity(headers.keys().filter(|name| is_copied(name)).count());
    for (name, value) in headers {
        if is_copied(name)
            && let Ok(name) = HeaderName::from_bytes(name.as_str().as_bytes())
            && let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes())
        {
            copy.set_sensitive(value.is_sensitive());
            copies.append(name, copy);
        }
    }
    copies
}

fn foreign_origin() -> Rejection {
    Rejection::new(
        StatusCode::FORBIDDEN,
        ErrorCode::FORBIDDEN,
        "pages of this origin may not connect; the server's setting of allowed origins lists those that may, and a \
         proxy must forward Host, or send X-Forwarded-Host",
    )
}

/// The response to a rejected handshake.
fn rejected(rejection: &Rejection) -> Response {
    let json = [("content-type", "application/json; charset=utf-8")];
    let mut response = (rejection.status, json, rejection.body()).into_response();
    response.headers_mut().extend(rejection.headers.clone());
    rejection.attach_code(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use axum::http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_KEY};

    use super::*;

    #[test]
    fn headers_are_kept_as_copies_without_those_of_the_handshake() {
        let mut token = HeaderValue::from_static("Bearer secret");
        token.set_sensitive(true);
        let pairs = [
            (CONNECTION, HeaderValue::from_static("upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_KEY, HeaderValue::from_static("a2V5")),
            (COOKIE, HeaderValue::from_static("a=1")),
            (COOKIE, HeaderValue::from_static("b=2")),
            (AUTHORIZATION, token),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        let copies = copied_headers(&headers);
        let cookies: Vec<_> = copies.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(copies.len(), 3);
        let (copy, original) = (&copies[AUTHORIZATION], &headers[AUTHORIZATION]);
        assert_eq!(copy, original);
        assert!(copy.is_sensitive());
        assert_ne!(copy.as_bytes().as_ptr(), original.as_bytes().as_ptr());
    }
}
