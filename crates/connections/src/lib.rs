//! Connections: accepting them, TLS where there is a certificate, HTTP on each of them, and their end.
//!
//! `axum::serve` waits for ever for the head of a request. It also tells HTTP's versions apart by reading the first
//! bytes of a connection on their own, which doubles its read buffer: 6 of the 27 kB that a subscriber by SSE took. So
//! without TLS there is HTTP/1.1 alone, and with TLS the client says by ALPN which version it speaks.
//!
//! A request of HTTP/2 that shares its connection, and whose address has too many of those, has the
//! [`Rejection`](broadsheet_caller_limits::Rejection) among its extensions: the service is to respond with it.
//!
//! ```
//! use axum::{Router, routing::get};
//! use broadsheet_caller_limits::CallerLimits;
//! use broadsheet_connections::{ConnectionSettings, serve};
//! use tokio::net::TcpListener;
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let service = Router::new().route("/", get(async || "hello"));
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let (settings, limits) = (ConnectionSettings::default(), CallerLimits::default());
//! let stop = CancellationToken::new();
//! let server = serve(listener, None, service, settings, limits, stop.clone());
//!
//! stop.cancel();
//! // It returns when what is under way has its response.
//! server.await;
//! # Ok(())
//! # }
//! ```

mod http1;
mod http2;
mod peer;
mod streams;
mod timer;
mod tls;
mod unread;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use self::peer::{Patience, Peer};
pub use self::tls::{Tls, TlsError};
use broadsheet_caller_limits::CallerLimits;

/// The limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// The header read timeout, which is also the keep-alive timeout: then the connection is closed without a response.
    /// Longer than the 60 s for which proxies usually keep idle connections, or we might close one just as the proxy
    /// reuses it.
    pub head_timeout: Duration,
    /// About the longest head, in bytes; then 431. A query by GET is part of it. Also the most of a body that is read ahead.
    pub head_bytes: usize,
    /// How long a client may take for the handshake of TLS.
    pub handshake_timeout: Duration,
    /// How long a client is waited for that does not read, or has closed its side.
    patience: Patience,
}

impl ConnectionSettings {
    /// The defaults, but for how long a connection may take nothing of what is written to it; zero for ever.
    pub fn with_write_timeout(write_timeout: Duration) -> Self {
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
            handshake_timeout: Duration::from_secs(10),
            patience: Patience::default(),
        }
    }
}

/// Serves until `stop` is cancelled; then accepts no more, closes what is idle, and returns when every other connection
/// has finished its requests. A connection that has become a WebSocket is not waited for. With `tls` nothing else is
/// spoken.
pub async fn serve<S>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: S,
    settings: ConnectionSettings,
    limits: CallerLimits,
    stop: CancellationToken,
) where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let http = http1::builder(&settings);
    let connections = TaskTracker::new();
    while let Some((stream, address)) = stop.run_until_cancelled(accept(&listener, &limits)).await {
        let Some(slot) = limits.connect(address) else {
            // Closed without a word: HTTP may not have begun, and words would be work.
            continue;
        };
        let (service, stop) = (service.clone(), stop.clone());
        let counted = (slot, limits.traffic());
        let peer = Peer::new(stream, counted, settings.patience, stop.clone());
        let Some(tls) = &tls else {
            connections.spawn(http1::serve(&http, peer, address, service, stop));
            continue;
        };
        let (handshake, http, limits) = (tls.accept(peer), http.clone(), limits.clone());
        let handshake = timeout(settings.handshake_timeout, handshake);
        connections.spawn(async move {
            // Nothing is under way before it is done.
            let io = match stop.run_until_cancelled(handshake).await {
                Some(Ok(Ok(io))) => io,
                Some(Ok(Err(error))) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    return;
                }
                Some(Err(_)) => {
                    tracing::debug!("a TLS handshake took too long");
                    return;
                }
                None => return,
            };
            // In boxes: each is large, and the other would take as much.
            match io.get_ref().1.alpn_protocol() {
                Some(tls::HTTP_2) => {
                    Box::pin(http2::serve(io, address, service, settings, limits, stop)).await;
                }
                _ => Box::pin(http1::serve(&http, io, address, service, stop)).await,
            }
        });
    }
    tracing::info!("stopping: finishing what is under way");
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection and the address that it comes from, once there may be one more. What went wrong with one of them
/// is no reason to refuse the others, and where the process has no file descriptor left, one may be free a moment later.
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
