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
    /// `to` is what could not be connected to.
    pub(crate) fn new(
        to: &impl std::fmt::Display,
        error: &(dyn Error + Send + Sync + 'static),
    ) -> Self {
        let mut text = format!("cannot connect to {to}: {}", chain(error));
        if refuses_options(error) {
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

    /// Whether it is nothing that passes by itself: a wrong password and not a server that is starting.
    pub fn is_final(&self) -> bool {
        self.is_final
    }
}

/// What waiting does not mend: a wrong user, password or database, a permission, a setting, or a certificate. All else
/// may be a server that is about to start.
fn is_final(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<tokio_postgres::Error>() else {
        return false;
    };
    if let Some(code) = error.code() {
        return refuses_options(error)
            || ["0A", "22", "28", "3D", "42"].contains(&&code.code()[..2]);
    }
    if error.is_closed() {
        return false;
    }
    match causes(error).find_map(|cause| cause.downcast_ref::<std::io::Error>()) {
        Some(io) => about_tls(io),
        // Of the rest, all is between what the URL asks for and what the server offers: TLS, or a kind of password.
        None => error.source().is_some(),
    }
}

/// PgBouncer's own answer to a setting in the first message. It speaks English only.
fn refuses_options(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error
        .downcast_ref::<tokio_postgres::Error>()
        .and_then(|error| error.as_db_error())
        .is_some_and(|error: &DbError| {
            *error.code() == SqlState::PROTOCOL_VIOLATION
                && error.message().starts_with("unsupported startup parameter")
        })
}

/// Whether a failure has to do with encryption, so that `prefer` goes on without: a handshake that came to
/// nothing, or a server whose `pg_hba.conf` takes no encrypted connections.
pub(crate) fn may_succeed_plain(error: &(dyn Error + Send + Sync + 'static)) -> bool {
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
    // A server may also just hang up.
    error.kind() == std::io::ErrorKind::UnexpectedEof || about_tls(error)
}

/// Whether rustls has refused what the server sent, or the other way round.
fn about_tls(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|cause| cause.downcast_ref::<rustls::Error>().is_some())
}

/// An error with all its causes, because tokio-postgres's own text only names the kind.
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
