//! What can go wrong, by whose fault it is. `api/error.rs` turns these into GraphQL errors, in one place.

use std::sync::Arc;

use crate::clock::TimestampError;

/// What a client reads of anything that is our own fault, beside the code `INTERNAL` and the id of its request.
pub const INTERNAL: &str = "something went wrong on our side; tell us the request id";

/// What can go wrong while an operation is carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// An argument is of the right type but not allowed (`BAD_USER_INPUT`).
    #[error("{message}")]
    Invalid {
        /// The dotted path of the argument, such as `input.title`.
        field: String,
        /// What would be accepted, in a sentence.
        message: String,
    },
    /// The slug belongs to another article.
    #[error("the slug {slug:?} belongs to another article")]
    SlugTaken { field: String, slug: String },
    /// The feed does not have what follows a cursor: it is no longer kept, or the cursor comes from another history of
    /// the database (`CURSOR_EXPIRED`).
    #[error("the changes after this cursor are not kept; begin anew from a list and a new cursor")]
    CursorExpired {
        /// The oldest cursor that still serves, as clients see it.
        oldest: String,
    },
    /// The idempotency key came before, with another request (`IDEMPOTENCY_KEY_REUSED`).
    #[error(
        "this idempotency key came before with another request, so nothing was done; use a new key for each mutation, and \
         the same one only to send the same again"
    )]
    KeyReused,
    /// The article that is to be changed is not there.
    #[error("there is no article with this id")]
    NotFound,
    /// The article has changed since the client saw it.
    #[error("the article has version {current} by now; look at it again, and decide anew")]
    VersionConflict { current: i32 },
    /// The answer would have more bytes than it may (`TOO_COMPLEX`).
    #[error(
        "The answer is too large: it has {value} bytes or more, and {max} are allowed. Ask for fewer articles, or leave \
         out their texts."
    )]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
        /// How many bytes were counted when it was found out.
        value: usize,
    },
    /// Another transaction got in the way. The store tries such a write again, and lets this through once it has done
    /// so often enough.
    #[error("other transactions got in the way each time")]
    Raced,
    /// The database takes no writes at the moment, for this reason; reading goes on.
    #[error("the database takes no writes, because {reason}: {cause}")]
    NoWrites {
        reason: NoWrites,
        #[source]
        cause: Cause,
    },
    /// Nothing was done, because there was no connection within the bounds; trying again later may help.
    #[error("the database cannot be reached: {0}")]
    Unavailable(#[source] Cause),
    /// The connection was lost while a statement ran on it: a write may have been committed, or not.
    #[error("the connection to the database was lost: {0}")]
    Lost(#[source] Cause),
    /// A statement took longer than it may.
    #[error("the database took too long: {0}")]
    Timeout(#[source] Cause),
    /// Anything that is our own fault. The cause is for the log, never for the client.
    #[error("internal error: {0}")]
    Internal(#[source] Cause),
}

/// The cause of an error that is not the client's. Equal reads share one, so it can be cloned.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The result of everything that reaches the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An argument, at `field`, is not allowed; `message` says what would be.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            message: message.into(),
        }
    }

    /// Something that only a fault of ours can bring about.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(cause.into()))
    }

    /// Nothing was done: the database did not answer, or had no connection to spare.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(Arc::from(cause.into()))
    }

    /// The connection was lost while a statement ran on it.
    pub fn lost(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Lost(Arc::from(cause.into()))
    }

    /// The database takes no writes.
    pub fn no_writes(
        reason: NoWrites,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::NoWrites {
            reason,
            cause: Arc::from(cause.into()),
        }
    }

    /// The database answered too late.
    pub fn timeout(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Timeout(Arc::from(cause.into()))
    }
}

/// Why a database takes no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoWrites {
    #[error("it is read-only")]
    ReadOnly,
    #[error("its disk is full")]
    Full,
    #[error("its disk fails")]
    DiskFails,
    #[error("the user may not write")]
    NotPermitted,
}

/// Why a value is not allowed, wherever it was given. [`Violation::at`] says where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

impl Violation {
    /// The error for a client that gave the value in `field`.
    pub fn at(self, field: impl Into<String>) -> Error {
        Error::invalid(field, self.0)
    }
}

impl From<TimestampError> for Violation {
    fn from(error: TimestampError) -> Self {
        Self(error.to_string())
    }
}
