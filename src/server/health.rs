//! Whether the server is ready for requests.

use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::timeout;

use super::App;
use crate::error::Error;

/// 200 when the database answers and has every migration that this binary knows, else 503 with the reason.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, String) {
    const SILENT: &str = "the database does not answer\n";
    let status = timeout(app.request_timeout, app.store.migration_status()).await;
    let reason = match status {
        Ok(Ok(status)) if status.pending.is_empty() => {
            return (StatusCode::OK, "ready\n".to_owned());
        }
        Ok(Ok(status)) => format!("migrations are pending: {}\n", status.pending.join(", ")),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            match error {
                Error::Internal(_) => "the database has no migrations\n".to_owned(),
                _ => SILENT.to_owned(),
            }
        }
        Err(_) => {
            tracing::warn!("not ready: the database took too long");
            SILENT.to_owned()
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, reason)
}
