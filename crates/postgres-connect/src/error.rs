//! The meaning of PostgreSQL's errors, by their SQLSTATE: their text is in the server's language.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

/// Converts an error for Diesel. Its message begins with the SQLSTATE, because Diesel has no other field for it.
pub(super) fn of_diesel(error: &tokio_postgres::Error) -> DieselError {
    let Some(error) = error.as_db_error() else {
        return DieselError::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand,
            Box::new(crate::failure::chain(error)),
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
        Box::new(ErrorFields {
            message: format!("{}: {}", error.code().code(), error.message()),
            error: error.clone(),
        }),
    )
}

/// The fields of an error from PostgreSQL.
struct ErrorFields {
    message: String,
    error: DbError,
}

impl DatabaseErrorInformation for ErrorFields {
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

/// The SQLSTATE of an error that PostgreSQL reported.
pub fn sqlstate(error: &DieselError) -> Option<&str> {
    let DieselError::DatabaseError(_, information) = error else {
        return None;
    };
    let (code, _) = information.message().split_once(": ")?;
    let is_code = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    (code.len() == 5 && code.bytes().all(is_code)).then_some(code)
}
