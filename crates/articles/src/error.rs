//! What can go wrong while articles are read and written.

use std::sync::Arc;

use crate::clock::TimestampError;

/// What can go wrong while articles are read and written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The slug belongs to another article.
    #[error("the slug {slug:?} belongs to another article")]
    SlugTaken {
        /// Which of the articles of the call has it, counted from 0.
        article: usize,
        slug: String,
    },
    /// The feed does not have what follows a cursor: it is not kept any more, or the cursor is of another epoch of the
    /// database (`CURSOR_EXPIRED`).
    #[error(
        "the changes after this cursor are not kept any more; read the list again and continue from a new cursor"
    )]
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
    /// The article has the largest version.
    #[error(
        "this article has version {0} or above, after which there is none, so it cannot be updated any more; delete it \
         and create it again"
    )]
    LastVersion(i32),
    /// The article has changed since the client saw it.
    #[error("the article has version {current} now; fetch it again and retry")]
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

/// Why a value is not allowed, wherever it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

impl From<TimestampError> for Violation {
    fn from(error: TimestampError) -> Self {
        Self(error.to_string())
    }
}
