//! Why a database cannot be opened.

use std::path::PathBuf;

use diesel::result::Error as DieselError;

use super::fault::{Fault, fault};
use super::migrations::MigrationError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Url(#[from] postgres_connect::UrlError),
    /// A temporary failure; a later attempt may succeed.
    #[error("cannot connect to the database: {}", chain(&**.0))]
    Connect(#[source] Cause),
    /// A permanent failure.
    #[error("cannot connect to the database: {}", chain(&**.0))]
    Refused(#[source] Cause),
    /// An SQLite file that cannot be used; this is permanent.
    #[error("cannot use the SQLite database {}: {why}", .path.display())]
    File { path: PathBuf, why: String },
    /// The encoding of a PostgreSQL database, where it is not UTF-8.
    #[error(
        "the database is in the encoding {0}, which cannot store every text; create one with ENCODING 'UTF8'"
    )]
    Encoding(String),
    /// A privilege that the user of a PostgreSQL database lacks, and how to grant it.
    #[error("{0}")]
    Privileges(String),
    #[error(
        "one connection reaches several sessions of PostgreSQL, as behind PgBouncer in transaction mode, where LISTEN \
         and prepared statements are lost: use its session mode, or the URL of PostgreSQL itself"
    )]
    SharedSessions,
    #[error(transparent)]
    Migrate(#[from] MigrationError),
}

/// The cause of an error of the database's client library.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl OpenError {
    pub(super) fn connect(error: impl Into<Cause>) -> Self {
        Self::Connect(error.into())
    }
}

impl From<postgres_connect::ConnectError> for OpenError {
    fn from(error: postgres_connect::ConnectError) -> Self {
        match error.is_final() {
            true => Self::Refused(error.into()),
            false => Self::connect(error),
        }
    }
}

impl From<diesel::ConnectionError> for OpenError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::connect(error)
    }
}

impl From<DieselError> for OpenError {
    fn from(error: DieselError) -> Self {
        match fault(&error) {
            Some(Fault::TooSlow | Fault::Raced | Fault::Lost | Fault::Unreachable) => {
                Self::connect(error)
            }
            Some(Fault::NoWrites(_)) | None => Self::Refused(error.into()),
        }
    }
}

/// An error and all its causes, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors include their cause in their own text.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
