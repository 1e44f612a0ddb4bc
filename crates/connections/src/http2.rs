//! HTTP/2 on a connection, with the limits of HTTP/1.1 and limits on its streams.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::ConnectionSettings;
use super::streams::{Pieces, Streams};
use broadsheet_caller_limits::{CallerLimits, OF_ONE_CONNECTION, PeerAddress};

/// Concurrent requests of one connection. Streams beyond the limit are refused (`REFUSED_STREAM`).
pub(super) const MAX_STREAMS: u32 = OF_ONE_CONNECTION;

/// Bytes of a request's body, and of all bodies of a connection, that may arrive before a handler reads them.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Bytes of a response that may wait for the connection.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that a client may reset before the server accepts them, and that its errors may make the server reset;
/// beyond that the connection is closed (CVE-2023-44487, CVE-2025-8671).
pub(super) const MAX_RESETS: usize = 20;

/// How long a client may take to close the connection after GOAWAY.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves a connection from this address until it ends. After `stop`, or when no request has arrived within the header
/// read timeout, the client gets GOAWAY, and requests under way are finished.
pub(super) async fn serve<I, S>(
    io: I,
    address: IpAddr,
    service: S,
    settings: ConnectionSettings,
    limits: CallerLimits,
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let streams = Streams::new(settings.timeouts.write_timeout);
    let others = streams.clone();
    // The service is always ready.
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (mut head, body) = request.into_parts();
        head.extensions.insert(PeerAddress(address));
        name_host(&mut head);
        // The first stream is counted with its connection.
        let slot = match others.are_open() {
            true => limits.share_connection(address),
            false => Ok(None),
        };
        let slot = slot.unwrap_or_else(|rejection| {
            head.extensions.insert(rejection);
            None
        });
        let request = Request::from_parts(head, Body::new(body));
        let answer = service.clone().call(request);
        async move { Ok::<_, Infallible>(answer.await?.map(|body| Pieces::of(body, slot))) }
    });
    let mut connection =
        pin!(builder(&settings, streams.clone()).serve_connection(TokioIo::new(io), service));
    let over = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = streams.idle_for(settings.head_timeout) => {}
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = streams.stalled() => return,
        () = over => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = streams.stalled() => return,
                () = streams.idle_for(GOAWAY_TIMEOUT) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

fn builder(settings: &ConnectionSettings, streams: Streams) -> http2::Builder<Streams> {
    let head_bytes = u32::try_from(settings.head_bytes).unwrap_or(u32::MAX);
    let mut http = http2::Builder::new(streams);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(head_bytes)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS);
    http
}

/// Adds the header `Host` where the host is only in `:authority`, so that both versions of HTTP follow the same rules.
fn name_host(head: &mut Parts) {
    let authority = head.uri.authority().map(Authority::as_str);
    if !head.headers.contains_key(HOST)
        && let Some(Ok(host)) = authority.map(HeaderValue::from_str)
    {
        head.headers.insert(HOST, host);
    }
}
