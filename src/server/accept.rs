//! Connections: accepting them, HTTP/1.1 on each of them, and their end.
//!
//! `axum::serve` waits for ever for the head of a request. It also tells HTTP's versions apart by reading the first
//! bytes of a connection on their own, which doubles its read buffer: 6 of the 27 kB that a subscriber by SSE took.
//! HTTP/2 is left to the proxy that ends TLS.

mod peer;
mod unread;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use self::peer::{Patience, Peer};
use crate::caller_limits::{CallerLimits, PeerAddress};

/// The limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionSettings {
    /// The header read timeout, which is also the keep-alive timeout: then the connection is closed without a response.
    /// Longer than the 60 s for which proxies usually keep idle connections, or we might close one just as the proxy
    /// reuses it.
    pub(super) head_timeout: Duration,
    /// About the longest head, in bytes; then 431. A query by GET is part of it. Also the most of a body that is read ahead.
    pub(super) head_bytes: usize,
    /// How long a client is waited for that does not read, or has closed its side.
    patience: Patience,
}

impl ConnectionSettings {
    /// The defaults, but for how long a connection may take nothing of what is written to it; zero for ever.
    pub(super) fn with_write_timeout(write_timeout: Duration) -> Self {
        let patience = Patience {
            write_timeout,
            ..Patience::default()
        };
        Self {
            patience,
            ..Self::default()
        }
    }
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(75),
            head_bytes: 64 * 1024,
            patience: Patience::default(),
        }
    }
}

/// Serves until `stop` is cancelled; then accepts no more, closes what is idle, and returns when every other connection
/// has finished its request. A connection that has become a WebSocket is not waited for.
pub(super) async fn serve<S>(
    listener: TcpListener,
    service: S,
    settings: ConnectionSettings,
    limits: CallerLimits,
    stop: CancellationToken,
) where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout)
        // Who has closed the sending side may still wait for the answer.
        .half_close(true)
        .max_buf_size(settings.head_bytes);
    let connections = TaskTracker::new();
    while let Some((stream, address)) = stop.run_until_cancelled(accept(&listener, &limits)).await {
        let Some(slot) = limits.connect(address) else {
            // Closed without a word: HTTP may not have begun, and words would be work.
            continue;
        };
        let service = service.clone();
        let peer = Peer::new(stream, slot, settings.patience, stop.clone());
        // The service is always ready.
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (mut head, body) = request.into_parts();
            head.extensions.insert(PeerAddress(address));
            let (body, has_ended) = unread::watched(body);
            let answer = service.clone().call(Request::from_parts(head, body));
            async move {
                let mut response = answer.await?;
                unread::announce_close(&mut response, has_ended);
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = http
            .serve_connection(TokioIo::new(peer), service)
            .with_upgrades();
        let stop = stop.clone();
        connections.spawn(async move {
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = stop.cancelled() => {
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                    // Awaited by reference: it is large, and a move would reserve a second copy of it in the task.
                    (&mut connection).await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection failed");
            }
        });
    }
    tracing::info!("stopping: finishing what is under way");
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection and the address that it comes from, once there may be one more. What went wrong with one of them is no reason to refuse the others, and where the process has no
/// file descriptor left, one may be free a moment later.
async fn accept(listener: &TcpListener, limits: &CallerLimits) -> (TcpStream, IpAddr) {
    loop {
        limits.room_for_connection().await;
        match listener.accept().await {
            Ok((stream, address)) => {
                // An event is small and is to arrive now.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was refused");
                }
                return (stream, address.ip());
            }
            Err(error) if is_of_the_client(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn is_of_the_client(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        kind,
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

#[cfg(test)]
mod tests;
