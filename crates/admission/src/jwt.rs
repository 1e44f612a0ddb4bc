//! JWTs (RFC 7519), with the rules of RFC 8725.
//!
//! The signatures are ring's, which rustls brings along; the hundred lines between token and signature are ours, because
//! a JWT library's surprises (claims of the wrong type taken for missing, algorithms that the token chooses, a clock of
//! its own) would each need a guard here. A token goes through `jws.rs` (taken apart), `key_set.rs` and `key.rs`
//! (signature) and `claims.rs`, and is then remembered until it ends or anything changes. Where keys come from: a file, a
//! secret, or an address, of which `refresh.rs`, `schedule.rs` and `fetch.rs` take care.

mod claims;
mod current;
mod fetch;
mod issuer;
mod jws;
mod key;
mod key_set;
mod refresh;
mod schedule;
#[cfg(test)]
mod tests;

use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use self::issuer::Issuer;
pub use self::issuer::IssuerError;
use self::jws::Jws;
use super::caller::{Caller, Proof};
use super::digest::Digest;
use super::generation::Generation;
use super::rejection::{Rejection, TokenError};
use super::settings::IssuerSettings;
use crate::cache;
use broadsheet_articles::clock::Timestamp;

/// Memory for tokens that were verified, and what one takes besides its text.
const SEEN_BYTES: u64 = 8 * 1024 * 1024;
const OVERHEAD_BYTES: u64 = 400;
const ORDINARY_BYTES: u64 = 1_400;

/// Tells from a JWT who comes with it.
pub(super) struct Jwts {
    issuers: Vec<Issuer>,
    seen: Cache<Digest, Seen, Weight>,
    generation: Generation,
}

/// A token that was verified, and in which generation of the keys.
#[derive(Clone)]
struct Seen {
    caller: Caller,
    generation: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Digest, Seen> for Weight {
    fn weight(&self, _digest: &Digest, seen: &Seen) -> u64 {
        let text = match seen.caller.proof() {
            Proof::Jwt(text) => text.len(),
            _ => 0,
        };
        OVERHEAD_BYTES + (text + seen.caller.name().len()) as u64
    }
}

/// How an issuer's keys are, for `/health/ready` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStatus {
    /// Its name, where it has one.
    pub issuer: Option<String>,
    /// How many keys are in force. Without any, its tokens are answered with 503.
    pub keys: usize,
    /// How often a newer set could not be had since the start.
    pub failures: u64,
}

impl Jwts {
    pub(super) fn open(
        issuers: Vec<IssuerSettings>,
        skew: Duration,
        generation: &Generation,
    ) -> Result<Self, IssuerError> {
        let issuers = issuers
            .into_iter()
            .map(|settings| Issuer::open(settings, skew, generation.clone()));
        Ok(Self {
            issuers: issuers.collect::<Result<_, _>>()?,
            seen: cache::bounded(SEEN_BYTES, ORDINARY_BYTES, Weight),
            generation: generation.clone(),
        })
    }

    /// Who comes with a token, which waits for newer keys where its own is not known yet.
    pub(super) async fn verify(
        &self,
        text: &str,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Caller, Rejection> {
        let verified = self.check(text, digest, now);
        if verified == Err(Rejection::InvalidToken(TokenError::Key))
            && let Ok(token) = Jws::parse(text)
            && let Ok(issuer) = self.issuer(&token)
            // In a box, because it is seldom waited for.
            && Box::pin(issuer.look_again()).await
        {
            return self.check(text, digest, now);
        }
        verified
    }

    /// The same by the keys that are in force.
    pub(super) fn check(
        &self,
        text: &str,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Caller, Rejection> {
        // Taken before the keys are: if they change meanwhile, what is kept counts as old.
        let generation = self.generation.current();
        if let Some(seen) = self.seen.get(&digest)
            && seen.generation == generation
        {
            return match seen.caller.is_over(now) {
                true => Err(TokenError::Expired.into()),
                false => Ok(seen.caller),
            };
        }
        let token = Jws::parse(text)?;
        let caller = self.issuer(&token)?.verify(&token, text, now)?;
        let seen = Seen {
            caller: caller.clone(),
            generation,
        };
        self.seen.insert(digest, seen);
        Ok(caller)
    }

    fn issuer(&self, token: &Jws<'_>) -> Result<&Issuer, TokenError> {
        let iss = token.claims.iss.as_deref();
        let mut issuers = self.issuers.iter();
        issuers
            .find(|issuer| issuer.is_named(iss))
            .ok_or(TokenError::Issuer)
    }

    /// Reads again what comes from files. What is broken stays as it was.
    ///
    /// # Errors
    /// The first of what is broken.
    pub(super) fn reload(&self) -> Result<(), IssuerError> {
        let mut outcome = Ok(());
        for issuer in &self.issuers {
            match issuer.load() {
                Ok(Some(keys)) => issuer.current().publish(keys),
                Ok(None) => {}
                Err(error) => {
                    issuer.current().fail(&error.to_string());
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }

    pub(super) fn status(&self) -> Vec<IssuerStatus> {
        let status = |issuer: &Issuer| IssuerStatus {
            issuer: issuer.name().map(str::to_owned),
            keys: issuer.current().keys().map_or(0, |keys| keys.len()),
            failures: issuer.current().failures(),
        };
        self.issuers.iter().map(status).collect()
    }
}
