//! What can go wrong while articles are read and written.

use std::sync::Arc;

use crate::clock::TimestampError;

/// What can go wrong while articles are read and written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The slug belongs to another article.
    #[error("the slug {slug:?} belongs to another article")]
    SlugTaken {
        /// The index of the article of the call that has it.
        article: usize,
        slug: String,
    },
    /// The feed no longer has the changes after a cursor: they were removed, or the cursor belongs to another epoch of
    /// the database (`CURSOR_EXPIRED`).
    #[error(
        "the changes after this cursor are no longer kept; read the list again and continue from a new cursor"
    )]
    CursorExpired {
        /// The oldest cursor that is still valid, as clients see it.
        oldest: String,
    },
    /// The idempotency key was already used with another request (`IDEMPOTENCY_KEY_REUSED`).
    #[error(
        "this idempotency key was already used for another request, so nothing was done; use a new key for each \
         mutation, and reuse a key only to repeat the same request"
    )]
    KeyReused,
    /// The article does not exist.
    #[error("there is no article with this id")]
    NotFound,
    /// The article has the maximum version.
    #[error(
        "this article has version {0} or above, which is the last one, so it can no longer be updated; delete it and \
         create it again"
    )]
    LastVersion(i32),
    /// The article has changed since the client read it.
    #[error("the article has version {current} now; fetch it again and retry")]
    VersionConflict { current: i32 },
    /// The response would exceed its limit (`TOO_COMPLEX`).
    #[error(
        "The response is too large: it has {value} bytes or more, and {max} are allowed. Request fewer articles, or \
         omit their texts."
    )]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
        /// The number of bytes counted so far.
        value: usize,
    },
    /// The transaction conflicted with others. The store retries such a write, and returns this error after the last
    /// attempt.
    #[error("every attempt conflicted with another transaction")]
    Raced,
    /// The database takes no writes at the moment, for this reason; reads continue.
    #[error("the database accepts no writes, because {reason}: {cause}")]
    NoWrites {
        reason: NoWrites,
        #[source]
        cause: Cause,
    },
    /// Nothing was done, because no connection was available in time; retrying later may help.
    #[error("the database cannot be reached: {0}")]
    Unavailable(#[source] Cause),
    /// The connection was lost during a statement: a write may or may not have been committed.
    #[error("the connection to the database was lost: {0}")]
    Lost(#[source] Cause),
    /// A statement exceeded its time limit.
    #[error("the database took too long: {0}")]
    Timeout(#[source] Cause),
    /// A bug of ours. The cause is for the log, never for the client.
    #[error("internal error: {0}")]
    Internal(#[source] Cause),
}

/// The cause of an error that the client did not cause. Equal reads share an error, so it can be cloned.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The result of operations on the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that only a bug of ours can cause.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(cause.into()))
    }

    /// Nothing was done: the database did not answer, or had no free connection.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(Arc::from(cause.into()))
    }

    /// The connection was lost during a statement.
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

/// Why a value is invalid, wherever it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

impl From<TimestampError> for Violation {
    fn from(error: TimestampError) -> Self {
        Self(error.to_string())
    }
}
