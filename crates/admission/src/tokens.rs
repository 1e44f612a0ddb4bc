//! Static tokens, which an operator lists in a file by their SHA-256.
//!
//! ```toml
//! # Written by `broadsheet token new`; to revoke a token, delete its line and send SIGHUP.
//! frontend = { sha256 = "9f86…", scopes = ["articles:read"], created = 2026-11-01T09:00:00Z, expires = 2027-01-30T09:00:00Z }
//! ```
//!
//! The format is TOML: one line per token suits editors, `grep` and diffs; it has comments and timestamps, rejects
//! duplicate names, and reports the line of an error.

mod file;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use foldhash::fast::RandomState;

pub use self::file::{TokenEntry, append, entries};
pub use self::secret::{NoRandomness, TokenSecret, is_well_formed};
use super::caller::{Caller, Identity, Proof};
use super::digest::Digest;
use super::file::FileError;
use super::rejection::{Rejection, TokenError};
use broadsheet_articles::clock::Timestamp;

/// The tokens of a file, as they were when it was last read.
pub(super) struct Tokens {
    path: PathBuf,
    known: RwLock<Known>,
}

/// The tokens by their digests.
pub(super) type Known = HashMap<Digest, Token, RandomState>;

/// The caller of a token, and how often it was used since the start.
pub(super) struct Token {
    caller: Caller,
    uses: Arc<AtomicU64>,
}

/// A caller whose token has not expired.
type Verified = Result<Caller, Rejection>;

impl Token {
    fn check(&self, now: Timestamp) -> Verified {
        match self.caller.is_over(now) {
            true => Err(TokenError::Expired.into()),
            false => Ok(self.caller.clone()),
        }
    }
}

impl Tokens {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Self {
            known: RwLock::new(load(path)?),
            path: path.to_owned(),
        })
    }

    /// The caller with this token, if there is such a token, and counts a use of it.
    pub(super) fn verify(&self, digest: &Digest, now: Timestamp) -> Option<Verified> {
        let known = self.known();
        let token = known.get(digest)?;
        let verified = token.check(now);
        if verified.is_ok() {
            token.uses.fetch_add(1, Ordering::Relaxed);
        }
        Some(verified)
    }

    /// The same without counting it.
    pub(super) fn check(&self, digest: &Digest, now: Timestamp) -> Option<Verified> {
        self.known().get(digest).map(|token| token.check(now))
    }

    /// How often each token was used, by its name.
    pub(super) fn uses(&self) -> Vec<(String, u64)> {
        let uses = |token: &Token| {
            let count = token.uses.load(Ordering::Relaxed);
            (token.caller.name().to_owned(), count)
        };
        let mut uses: Vec<_> = self.known().values().map(uses).collect();
        uses.sort_unstable();
        uses
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again, for [`replace`](Self::replace).
    pub(super) fn load(&self) -> Result<Known, FileError> {
        load(&self.path)
    }

    /// Puts other tokens in force. Tokens that remain keep their counts.
    pub(super) fn replace(&self, mut known: Known) {
        for (digest, token) in &mut known {
            if let Some(present) = self.known().get(digest)
                && present.caller.name() == token.caller.name()
            {
                token.uses = Arc::clone(&present.uses);
            }
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

fn load(path: &Path) -> Result<Known, FileError> {
    let callers = entries(path)?.into_iter().map(|entry| {
        let caller = Caller::new(
            Identity::Token(entry.name),
            entry.scopes,
            entry.expires,
            Proof::Token(entry.sha256),
        );
        let uses = Arc::default();
        (entry.sha256, Token { caller, uses })
    });
    Ok(callers.collect())
}
