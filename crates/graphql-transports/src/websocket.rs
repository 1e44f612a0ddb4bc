//! GraphQL over WebSocket: the `graphql-transport-ws` protocol, as graphql-ws, Apollo and urql speak it.
//!
//! This file decides who gets a socket; `socket` is the conversation on one, `operation` what runs on it and
//! `authorization` as whom, `message` its messages, `closing` its end. async-graphql's own WebSocket falls short of the protocol, and the extractor of
//! async-graphql-axum (`GraphQLProtocol`) rejects with 400 where the protocol wants 4406, prefers the obsolete
//! `graphql-ws` where a client offers both, and does not tell which it chose: neither is used here.

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

/// The subprotocol, the only one that is spoken.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Buffers start small, because a server holds thousands of sockets that say little. It is also the most that is read
/// at once: long messages take more calls.
const BUFFER_BYTES: usize = 512;

/// The limits of a socket.
#[derive(Clone, Debug)]
pub struct WebSocketSettings {
    /// How long a client may take to send `connection_init`, and to be admitted; then 4408.
    pub initialisation: Duration,
    /// Between two pings of the server's. They are frames of WebSocket itself, which browsers and
    /// libraries answer without the page's doing, and which no version of the protocol misses.
    pub ping_every: Duration,
    /// A client that has sent nothing at all for this long, not even an answer to a ping, is gone,
    /// and its socket is dropped. Long enough for one that stops reading for a minute: an unread
    /// ping is an unanswered one.
    pub silence: Duration,
    /// The longest message a client may send, in bytes; then 1009.
    pub message_bytes: usize,
    /// Operations on one socket at the same time; one more is rejected with `TOO_COMPLEX`.
    pub operations: usize,
    /// Messages that may wait for a slow client, all its operations together; also the most that one
    /// operation may say before another has its turn.
    pub queue: usize,
    /// How long a client may take to learn that it is being closed.
    pub farewell: Duration,
    /// Origins, such as `https://example.com`, whose pages may connect besides those of this host;
    /// `*` stands for all.
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
            farewell: Duration::from_secs(5),
            origins: Vec::new(),
        }
    }
}

/// The origin of a page that may not connect: an extension of the response, for the application's log.
#[derive(Clone, Debug)]
pub struct ForeignOrigin(pub HeaderValue);

/// Responds to a handshake, and serves the socket in a task of its own until it ends.
///
/// A page of a foreign origin gets 403: browsers let any page open a socket to any host, and send
/// this host's cookies along. A client that does not offer the subprotocol gets a socket, and 4406
/// on it, because that is where browsers can read a reason. When the server stops, what is under way
/// is finished, and the socket closes with 1001; `shutdown` waits for it.
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
    // Until `connection_init` says whose it is, it counts for the address.
    let stream = match execute.limits().open_stream(&caller) {
        Ok(stream) => stream,
        Err(error) => return rejected(&error.into()),
    };
    caller.headers = kept(&caller.headers);
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
    // From here on, because the connection is no longer waited for once it has been upgraded.
    let held = shutdown.hold();
    let stop = shutdown.token().clone();
    // In the log it is the request that it began with.
    let span = Span::current();
    upgrade.on_upgrade(move |socket| {
        // What is captured here lives as long as the socket: the halves are smaller than the whole.
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

/// What is kept of the handshake's headers while the socket lives: copies, because each header would keep alive all of
/// the large buffer that it was read into, and none of those that are about the handshake itself.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let is_kept = |name: &HeaderName| {
        *name != CONNECTION && *name != UPGRADE && !name.as_str().starts_with("sec-websocket-")
    };
    let mut kept = HeaderMap::with_capacity(headers.keys().filter(|name| is_kept(name)).count());
    for (name, value) in headers {
        if is_kept(name)
            && let Ok(name) = HeaderName::from_bytes(name.as_str().as_bytes())
            && let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes())
        {
            copy.set_sensitive(value.is_sensitive());
            kept.append(name, copy);
        }
    }
    kept
}

fn foreign_origin() -> Rejection {
    Rejection::new(
        StatusCode::FORBIDDEN,
        ErrorCode::FORBIDDEN,
        "pages of this origin may not connect; the server's setting of allowed origins names those that may, and a \
         proxy in between must pass Host on, or send X-Forwarded-Host",
    )
}

/// The response to a handshake of which no socket comes.
fn rejected(rejection: &Rejection) -> Response {
    let json = [("content-type", "application/json; charset=utf-8")];
    let mut response = (rejection.status, json, rejection.body()).into_response();
    response.headers_mut().extend(rejection.headers.clone());
    rejection.leave_code(&mut response);
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
        let kept = kept(&headers);
        let cookies: Vec<_> = kept.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(kept.len(), 3);
        let (copy, original) = (&kept[AUTHORIZATION], &headers[AUTHORIZATION]);
        assert_eq!(copy, original);
        assert!(copy.is_sensitive());
        assert_ne!(copy.as_bytes().as_ptr(), original.as_bytes().as_ptr());
    }
}
