//! What SQLite's errors mean. Diesel shows no code of theirs, but SQLite speaks English only.

use diesel::result::Error as DieselError;

use super::time_limit::timed_out;
use crate::error::NoWrites;
use crate::store::Fault;

/// What an error means to whoever sent the statement; `None` where the statement itself is wrong.
pub(in crate::store) fn fault(error: &DieselError) -> Option<Fault> {
    if timed_out(error) {
        return Some(Fault::TooSlow);
    }
    // Whatever SQLite did not get the lock for is rolled back.
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

/// SQLite's results have no kind of their own for a lock that another connection holds.
pub(super) fn is_busy(error: &DieselError) -> bool {
    message(error)
        .is_some_and(|message| message.contains("is locked") || message.contains("is busy"))
}

/// What keeps a statement that writes from it, beyond what any statement can meet with.
pub(in crate::store) fn keeps_from_writing(error: &DieselError) -> Option<NoWrites> {
    match message(error)? {
        "disk I/O error" => Some(NoWrites::DiskFails),
        // It opens further files where it writes.
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
