//! Static tokens: known by their SHA-256, which a file of the operator's holds.
//!
//! ```toml
//! # Written by `broadsheet token new`; to revoke a token, delete its line and send SIGHUP.
//! frontend = { sha256 = "9f86…", scopes = ["articles:read"], created = 2026-11-01T09:00:00Z, expires = 2027-01-30T09:00:00Z }
//! ```
//!
//! TOML, because that is a line for a token, which an editor, `grep` and a diff can deal with; it has comments and
//! instants, refuses a name that comes twice, and names the line of a mistake.

mod file;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

pub use self::file::{TokenEntry, append, entries};
pub use self::secret::{NoRandomness, TokenSecret, is_well_formed};
use super::caller::{Caller, Identity, Proof};
use super::digest::Digest;
use super::file::FileError;

/// The tokens of a file, as they were when it was read last.
pub(super) struct Tokens {
    path: PathBuf,
    known: RwLock<Known>,
}

/// Who comes with which token.
pub(super) type Known = HashMap<Digest, Caller>;

impl Tokens {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Self {
            known: RwLock::new(load(path)?),
            path: path.to_owned(),
        })
    }

    /// Who comes with this token, which may have expired.
    pub(super) fn get(&self, digest: &Digest) -> Option<Caller> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).cloned()
    }

    /// Reads the file again, for [`replace`](Self::replace).
    pub(super) fn load(&self) -> Result<Known, FileError> {
        load(&self.path)
    }

    pub(super) fn replace(&self, known: Known) {
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
        (entry.sha256, caller)
    });
    Ok(callers.collect())
}
