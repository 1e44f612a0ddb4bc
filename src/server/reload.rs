//! SIGHUP: reads files again; where one is invalid, its previous contents stay in force.

use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::connections::Tls;
use crate::graphql::persisted::PersistedOperations;

/// What is reloaded.
#[derive(Clone)]
pub(super) struct Reloaded {
    pub(super) admission: Admission,
    pub(super) persisted: PersistedOperations,
    pub(super) tls: Option<Tls>,
}

impl Reloaded {
    /// Reloads at each SIGHUP, until `stop` is cancelled. Call this before the server listens: without a handler, the
    /// signal would terminate the process.
    pub(super) fn on_hangup(self, stop: CancellationToken) {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut hangup = match signal(SignalKind::hangup()) {
                Ok(hangup) => hangup,
                Err(error) => {
                    tracing::warn!(%error, "SIGHUP cannot be handled");
                    return;
                }
            };
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        received = hangup.recv() => if received.is_none() { return },
                    }
                    let files = self.clone();
                    let read = tokio::task::spawn_blocking(move || files.read());
                    if let Err(error) = read.await {
                        tracing::error!(%error, "reloading files failed");
                    }
                }
            });
        }
        #[cfg(not(unix))]
        drop((self, stop));
    }

    #[cfg(unix)]
    fn read(&self) {
        if let Some(tls) = &self.tls {
            tls.reload();
        }
        // It logs what is invalid.
        if self.admission.reload().is_ok() && self.admission.has_credentials() {
            let tokens = self.admission.token_uses().len();
            tracing::info!(tokens, "read tokens and keys again");
        }
        match self.persisted.reload() {
            Ok(()) => tracing::info!(
                documents = self.persisted.trusted_count(),
                "read the trusted documents again"
            ),
            Err(error) => tracing::error!(%error, "the previous trusted documents stay in force"),
        }
    }
}
