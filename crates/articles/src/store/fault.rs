//! Classifies errors of the databases.

use deadpool::managed::{PoolError, TimeoutType};
use diesel::result::Error as DieselError;

use super::{chain, postgres, sqlite};
use crate::error::{Error, NoWrites};

/// What an error of a database means for the caller of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It exceeded its time limit.
    TooSlow,
    /// It conflicted with another transaction; a retry helps.
    Raced,
    /// The connection was lost while the statement ran, which may have been committed.
    Lost,
    /// The database has no free connections or resources, or its lock is held; nothing was done.
    Unreachable,
    /// The database takes no writes.
    NoWrites(NoWrites),
}

/// Classifies an error; `None` where it is a bug of ours.
pub(super) fn fault(error: &DieselError) -> Option<Fault> {
    postgres::fault(error).or_else(|| sqlite::fault(error))
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match fault(&error) {
            Some(Fault::TooSlow) => Self::timeout(error),
            Some(Fault::Raced) => Self::Raced,
            Some(Fault::Lost) => Self::lost(error),
            Some(Fault::Unreachable) => Self::unavailable(error),
            Some(Fault::NoWrites(reason)) => Self::no_writes(reason, error),
            None => Self::internal(error),
        }
    }
}

pub(super) fn from_pool<E: std::error::Error + Send + Sync + 'static>(
    error: PoolError<E>,
) -> Error {
    match error {
        PoolError::Backend(error) => Error::unavailable(ConnectFailed(chain(&error))),
        PoolError::Timeout(TimeoutType::Create) => Error::unavailable(ConnectFailed(
            "opening a connection took too long".to_owned(),
        )),
        error => Error::unavailable(error),
    }
}

/// No connection to the database can be opened, for this reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectFailed(String);
