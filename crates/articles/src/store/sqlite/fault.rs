//! Classifies SQLite's errors by their messages: Diesel does not expose their codes, and SQLite's messages are always
//! in English.

use diesel::result::Error as DieselError;

use super::time_limit::timed_out;
use crate::error::NoWrites;
use crate::store::Fault;

/// What an error means for the caller of the statement; `None` where the statement itself is wrong.
pub(in crate::store) fn fault(error: &DieselError) -> Option<Fault> {
    if timed_out(error) {
        return Some(Fault::TooSlow);
    }
    // SQLite has rolled back a statement that could not get the lock.
    if is_busy(error) {
        return Some(Fault::Unreachable);
    }
    let message = message(error)?;
    match message {
        "attempt to write a readonly database" => Some(Fault::NoWrites(NoWrites::ReadOnly)),
        "database or disk is full" => Some(Fault::NoWrites(NoWrites::Full)),
        _ => None,
    }
}

/// Diesel has no error kind for a lock that another connection holds.
pub(super) fn is_busy(error: &DieselError) -> bool {
    message(error)
        .is_some_and(|message| message.contains("is locked") || message.contains("is busy"))
}

/// Why the database accepts no writes, for errors that only statements that write can have.
pub(in crate::store) fn prevents_writes(error: &DieselError) -> Option<NoWrites> {
    match message(error)? {
        "disk I/O error" => Some(NoWrites::DiskFails),
        // SQLite opens further files when it writes.
        "unable to open database file" => Some(NoWrites::NotPermitted),
        _ => None,
    }
}

fn message(error: &DieselError) -> Option<&str> {
    match error {
        DieselError::DatabaseError(_, information) => Some(information.message()),
        _ => None,
    }
}
