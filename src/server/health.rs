//! Whether the server is ready for requests.

use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use crate::error::Error;

/// 200 when the database answers and has every migration that this binary knows, else 503 with the reason.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, String) {
    let reason = match app.store.migration_status().await {
        Ok(status) if status.pending.is_empty() => return (StatusCode::OK, "ready\n".to_owned()),
        Ok(status) => format!("migrations are pending: {}\n", status.pending.join(", ")),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            match error {
                Error::Internal(_) => "the database has no migrations\n".to_owned(),
                _ => "the database does not answer\n".to_owned(),
            }
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, reason)
}
