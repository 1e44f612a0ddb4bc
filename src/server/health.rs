//! Whether the server is ready for requests.

use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::timeout;

use super::routes::App;
use crate::error::Error;
use crate::store::Indexing;

/// The text for a ready server, with the progress of indexing where many articles are due.
fn is_ready(indexing: Option<Indexing>) -> String {
    match indexing {
        None => "ready\n".to_owned(),
        Some(indexing) => format!("ready\nthe search is being indexed: {indexing}\n"),
    }
}

/// 200 if the database responds, has every migration that this binary knows and takes writes, and each JWT issuer has
/// keys; otherwise 503 with the reason.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, String) {
    const SILENT: &str = "the database does not answer\n";
    let checks = async {
        let status = app.store.migration_status().await?;
        let mut indexing = None;
        if status.pending.is_empty() {
            app.store.check_writes().await?;
            indexing = app.store.indexing().await?;
        }
        Ok((status, indexing))
    };
    let reason = match timeout(app.request_timeout, checks).await {
        Ok(Ok((status, indexing))) if status.pending.is_empty() => match without_keys(&app) {
            None => return (StatusCode::OK, is_ready(indexing)),
            Some(issuer) => format!("the keys for JWTs of {issuer} are not known yet\n"),
        },
        // The store has already logged this.
        Ok(Err(Error::NoWrites { reason, .. })) => {
            format!("the database accepts no writes, because {reason}\n")
        }
        Ok(Ok((status, _))) => format!("migrations are pending: {}\n", status.pending.join(", ")),
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

/// An issuer whose tokens cannot be verified at the moment, because it has no keys.
fn without_keys(app: &App) -> Option<String> {
    let issuers = app.admission.status().into_iter();
    let mut without = issuers.filter(|issuer| issuer.keys == 0);
    let issuer = without.next()?;
    Some(issuer.issuer.unwrap_or_else(|| "any issuer".to_owned()))
}
