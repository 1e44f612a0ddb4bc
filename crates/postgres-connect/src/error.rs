//! What PostgreSQL's errors mean, told from their SQLSTATE: their text is in whatever language the server speaks.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use crate::error::NoWrites;
use crate::store::Fault;

/// The error as Diesel knows it. Its message begins with the SQLSTATE, because Diesel has no other place for it.
pub(super) fn of_diesel(error: &tokio_postgres::Error) -> DieselError {
    let Some(error) = error.as_db_error() else {
        return DieselError::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand,
            Box::new(super::connect::chain(error)),
        );
    };
    let kind = match *error.code() {
        SqlState::UNIQUE_VIOLATION => DatabaseErrorKind::UniqueViolation,
        SqlState::FOREIGN_KEY_VIOLATION => DatabaseErrorKind::ForeignKeyViolation,
        SqlState::RESTRICT_VIOLATION => DatabaseErrorKind::RestrictViolation,
        SqlState::EXCLUSION_VIOLATION => DatabaseErrorKind::ExclusionViolation,
        SqlState::T_R_SERIALIZATION_FAILURE => DatabaseErrorKind::SerializationFailure,
        SqlState::READ_ONLY_SQL_TRANSACTION => DatabaseErrorKind::ReadOnlyTransaction,
        SqlState::NOT_NULL_VIOLATION => DatabaseErrorKind::NotNullViolation,
        SqlState::CHECK_VIOLATION => DatabaseErrorKind::CheckViolation,
        _ => DatabaseErrorKind::Unknown,
    };
    DieselError::DatabaseError(
        kind,
        Box::new(Information {
            message: format!("{}: {}", error.code().code(), error.message()),
            error: error.clone(),
        }),
    )
}

/// What PostgreSQL says of an error.
struct Information {
    message: String,
    error: DbError,
}

impl DatabaseErrorInformation for Information {
    fn message(&self) -> &str {
        &self.message
    }

    fn details(&self) -> Option<&str> {
        self.error.detail()
    }

    fn hint(&self) -> Option<&str> {
        self.error.hint()
    }

    fn table_name(&self) -> Option<&str> {
        self.error.table()
    }

    fn column_name(&self) -> Option<&str> {
        self.error.column()
    }

    fn constraint_name(&self) -> Option<&str> {
        self.error.constraint()
    }

    fn statement_position(&self) -> Option<i32> {
        let (ErrorPosition::Original(position) | ErrorPosition::Internal { position, .. }) =
            self.error.position()?;
        i32::try_from(*position).ok()
    }
}

/// The SQLSTATE of an error that PostgreSQL has told.
pub(in crate::store) fn sqlstate(error: &DieselError) -> Option<&str> {
    let DieselError::DatabaseError(_, information) = error else {
        return None;
    };
    let (code, _) = information.message().split_once(": ")?;
    let is_code = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    (code.len() == 5 && code.bytes().all(is_code)).then_some(code)
}

/// What an error means to whoever sent the statement; `None` where the statement itself is wrong.
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
        // The server has no room for the statement.
        code if code.starts_with("53") => Some(Fault::Unreachable),
        // The session was ended, or the server is starting or stopping.
        "25P03" => Some(Fault::Lost),
        code if code.starts_with("08") || code.starts_with("57") => Some(Fault::Lost),
        _ => None,
    }
}

/// What keeps a statement that writes from it, beyond what any statement can meet with.
pub(in crate::store) fn keeps_from_writing(error: &DieselError) -> Option<NoWrites> {
    (sqlstate(error)? == "42501").then_some(NoWrites::NotPermitted)
}
