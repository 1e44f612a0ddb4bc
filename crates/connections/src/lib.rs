//! Accepts connections, speaks TLS where there is a certificate, serves HTTP on them, and closes them.
//!
//! `axum::serve` has no header read timeout. It also detects the version of HTTP by reading the first bytes of a
//! connection separately, which doubles the read buffer: 6 of the 27 kB that an SSE subscriber took. So without TLS only
//! HTTP/1.1 is served, and with TLS the client chooses the version by ALPN.
//!
//! Where an address has too many HTTP/2 requests that share connections, the request carries a
//! [`Rejection`](broadsheet_caller_limits::Rejection) in its extensions: the service must respond with it.
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
use broadsheet_caller_limits::CallerLimits;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use self::peer::{Peer, Timeouts};
pub use self::tls::{Tls, TlsError};

/// The limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// The header read timeout, which is also the keep-alive timeout: then the connection is closed without a response.
    /// Longer than the 60 s for which proxies usually keep idle connections, or we might close one just as the proxy
    /// reuses it.
    pub head_timeout: Duration,
    /// The approximate maximum length of a head in bytes, including the query of a GET; then 431. Also the maximum of a
    /// body that is read ahead.
    pub head_bytes: usize,
    /// The time limit of the TLS handshake.
    pub handshake_timeout: Duration,
    /// How long to wait for a client that does not read, or has closed its side.
    timeouts: Timeouts,
}

impl ConnectionSettings {
    /// The defaults, except for the write timeout: how long a connection may accept no bytes before it is cut off; zero
    /// for no limit.
    pub fn with_write_timeout(write_timeout: Duration) -> Self {
        let timeouts = Timeouts {
            write_timeout,
            ..Timeouts::default()
        };
        Self {
            timeouts,
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
            timeouts: Timeouts::default(),
        }
    }
}

/// Serves until `stop` is cancelled; then accepts no more connections, closes idle ones, and returns when all others
/// have finished their requests. It does not wait for connections that have become WebSockets. With `tls`, plain HTTP
/// is not served.
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
            // Closed without a response: HTTP may not have begun, and a response would be work.
            continue;
        };
        let (service, stop) = (service.clone(), stop.clone());
        let counted = (slot, limits.traffic());
        let peer = Peer::new(stream, counted, settings.timeouts, stop.clone());
        let Some(tls) = &tls else {
            connections.spawn(http1::serve(&http, peer, address, service, stop));
            continue;
        };
        let (handshake, http, limits) = (tls.accept(peer), http.clone(), limits.clone());
        let handshake = timeout(settings.handshake_timeout, handshake);
        connections.spawn(async move {
            // No request is under way before the handshake is done, so stopping may drop it.
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
            // Boxed: both futures are large, and unboxed the smaller would take as much as the larger.
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

/// Accepts the next connection, once the limit on connections allows one more. An error of one connection does not stop
/// the others; where the process is out of file descriptors, one may be free a moment later.
async fn accept(listener: &TcpListener, limits: &CallerLimits) -> (TcpStream, IpAddr) {
    loop {
        limits.room_for_connection().await;
        match listener.accept().await {
            Ok((stream, address)) => {
                // Events are small and must be sent without delay.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
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
