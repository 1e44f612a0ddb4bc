//! The admin address: `/health/*` and `/metrics`, separate from the clients' address.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use super::{BACKLOG, ServeError, bind};

/// A socket that is bound, and does not listen yet.
pub(super) struct AdminSocket {
    socket: TcpSocket,
    address: SocketAddr,
}

impl AdminSocket {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let socket = bind(address).map_err(|error| ServeError::Listen(address, error))?;
        Ok(Self { socket, address })
    }

    /// Serves `routes` in its own task until `stop` is cancelled.
    pub(super) fn serve(self, routes: Router, stop: CancellationToken) -> Result<(), ServeError> {
        let failed = |error| ServeError::Listen(self.address, error);
        let listener: TcpListener = self.socket.listen(BACKLOG).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!("health and metrics on http://{address}");
        let stopped = async move { stop.cancelled().await };
        let serve = axum::serve(listener, routes).with_graceful_shutdown(stopped);
        tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "health and metrics are not served any more");
            }
        });
        Ok(())
    }
}
