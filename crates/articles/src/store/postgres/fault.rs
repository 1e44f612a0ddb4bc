//! Classifies PostgreSQL's errors by their SQLSTATE: their text is in the server's language.
//!
//! Decision: `docs/decisions/0012-postgres-connection.md`.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use postgres_connect::sqlstate;

use crate::error::NoWrites;
use crate::store::Fault;

/// What an error means for the caller of the statement; `None` where the statement itself is wrong.
pub(in crate::store) fn fault(error: &DieselError) -> Option<Fault> {
    use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    if let DieselError::BrokenTransactionManager
    | DieselError::DatabaseError(ClosedConnection | UnableToSendCommand, _) = error
    {
        return Some(Fault::Lost);
    }
    match sqlstate(error)? {
        // Cancelled by `statement_timeout`, by an operator, or by `lock_timeout`.
        "57014" | "55P03" | "25P04" => Some(Fault::TooSlow),
        "40001" | "40P01" => Some(Fault::Raced),
        "25006" => Some(Fault::NoWrites(NoWrites::ReadOnly)),
        "53100" => Some(Fault::NoWrites(NoWrites::Full)),
        // The server is out of resources.
        code if code.starts_with("53") => Some(Fault::Unreachable),
        // The session was terminated, or the server is starting or stopping.
        "25P03" => Some(Fault::Lost),
        code if code.starts_with("08") || code.starts_with("57") => Some(Fault::Lost),
        _ => None,
    }
}

/// Why the database accepts no writes, for errors that only statements that write can have.
pub(in crate::store) fn prevents_writes(error: &DieselError) -> Option<NoWrites> {
    (sqlstate(error)? == "42501").then_some(NoWrites::NotPermitted)
}
