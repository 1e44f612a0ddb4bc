//! Why a connection could not be opened, and whether waiting may help.

use std::error::Error;

use tokio_postgres::error::{DbError, SqlState};

/// Why a connection could not be opened. It shows no password.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct ConnectError {
    text: String,
    is_final: bool,
}

impl ConnectError {
    /// `to` is the target of the connection.
    pub(crate) fn new(
        to: &impl std::fmt::Display,
        error: &(dyn Error + Send + Sync + 'static),
    ) -> Self {
        let mut text = format!("cannot connect to {to}: {}", chain(error));
        if rejects_options(error) {
            text.push_str(
                "; behind PgBouncer give the URL of PostgreSQL itself, or use PgBouncer's session mode and add \
                 options to its ignore_startup_parameters",
            );
        }
        Self {
            text,
            is_final: is_final(error),
        }
    }

    /// Whether the failure is permanent: a wrong password, as opposed to a server that is starting.
    pub fn is_final(&self) -> bool {
        self.is_final
    }
}

/// Permanent failures: a wrong user, password or database, a permission, a setting, or a certificate. Any other may
/// come from a server that is about to start.
fn is_final(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<tokio_postgres::Error>() else {
        return false;
    };
    if let Some(code) = error.code() {
        return rejects_options(error)
            || ["0A", "22", "28", "3D", "42"].contains(&&code.code()[..2]);
    }
    if error.is_closed() {
        return false;
    }
    match causes(error).find_map(|cause| cause.downcast_ref::<std::io::Error>()) {
        Some(io) => about_tls(io),
        // The remaining permanent failures are mismatches between the URL and the server: TLS, or an authentication
        // method.
        None => error.source().is_some(),
    }
}

/// PgBouncer's own response to a setting in the first message, which is always in English.
fn rejects_options(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error
        .downcast_ref::<tokio_postgres::Error>()
        .and_then(|error| error.as_db_error())
        .is_some_and(|error: &DbError| {
            *error.code() == SqlState::PROTOCOL_VIOLATION
                && error.message().starts_with("unsupported startup parameter")
        })
}

/// Whether a failure concerns encryption, so that `prefer` tries again without: a failed handshake, or a server whose
/// `pg_hba.conf` rejects encrypted connections.
pub(crate) fn may_succeed_unencrypted(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<tokio_postgres::Error>() else {
        return false;
    };
    if let Some(code) = error.code() {
        return *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    }
    let cause = error.source();
    let Some(error) = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()) else {
        return false;
    };
    // A server may also just close the connection.
    error.kind() == std::io::ErrorKind::UnexpectedEof || about_tls(error)
}

/// Whether either side has rejected the other's TLS messages.
fn about_tls(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|cause| cause.downcast_ref::<rustls::Error>().is_some())
}

/// An error with all its causes, because tokio-postgres's own text names only its kind.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    for cause in causes(error) {
        text.push_str(": ");
        text.push_str(&cause.to_string());
    }
    text
}

fn causes<'e>(error: &'e dyn Error) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'e (dyn Error + 'static)| {
        (*cause).source()
    })
}
