//! HTTP/1.1 on a connection.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{ConnectionSettings, unread};
use broadsheet_caller_limits::PeerAddress;

/// The protocol with the limits of a connection.
pub(super) fn builder(settings: &ConnectionSettings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout)
        // A client that has closed its sending side may still wait for the response.
        .half_close(true)
        .max_buf_size(settings.head_bytes);
    http
}

/// Serves a connection from this address until it ends, or until its request is finished after `stop`. It does not wait
/// for a connection that has become a WebSocket.
///
/// The connection is built before the future is polled: otherwise the future would reserve space for its parts, too.
pub(super) fn serve<I, S>(
    http: &http1::Builder,
    io: I,
    address: IpAddr,
    service: S,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + use<I, S>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
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
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    async move {
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
    }
}
