//! JWTs (RFC 7519), with the rules of RFC 8725.
//!
//! The signatures are verified by ring, which rustls already depends on. The hundred lines between token and signature
//! are ours, because each surprise of a JWT library (claims of the wrong type treated as missing, algorithms chosen by
//! the token, a clock of its own) would need a guard here. A token is split in `jws.rs`, its signature is verified in
//! `key_set.rs` and `key.rs`, and its claims are checked in `claims.rs`. The result is cached until the token expires
//! or any key or token changes. Keys come from a file, a secret, or a URL; `refresh.rs`, `schedule.rs` and `fetch.rs`
//! implement the last.

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

use bounded_cache::{Cache, Weighter, bounded};
use otlp_spans::Tracer;

use self::issuer::Issuer;
pub use self::issuer::IssuerError;
use self::jws::Jws;
use super::caller::{Caller, Proof};
use super::digest::Digest;
use super::generation::Generation;
use super::rejection::{Rejection, TokenError};
use super::settings::IssuerSettings;
use broadsheet_articles::clock::Timestamp;

/// The memory for verified tokens, and what each takes besides its text.
const SEEN_BYTES: u64 = 8 * 1024 * 1024;
const OVERHEAD_BYTES: u64 = 400;
const TYPICAL_BYTES: u64 = 1_400;

/// Verifies JWTs and returns their callers.
pub(super) struct Jwts {
    issuers: Vec<Issuer>,
    seen: Cache<Digest, Seen, Weight>,
    generation: Generation,
}

/// A verified token, and the generation of the keys that it was verified with.
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

/// The state of an issuer's keys, for `/health/ready` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStatus {
    /// Its name, where it has one.
    pub issuer: Option<String>,
    /// The number of keys in force. Without any, requests with its tokens get a 503.
    pub keys: usize,
    /// How often fetching or reading a newer set has failed since the start.
    pub failures: u64,
}

impl Jwts {
    pub(super) fn open(
        issuers: Vec<IssuerSettings>,
        skew: Duration,
        generation: &Generation,
        tracer: Option<&Tracer>,
    ) -> Result<Self, IssuerError> {
        let issuers = issuers
            .into_iter()
            .map(|settings| Issuer::open(settings, skew, generation.clone(), tracer));
        Ok(Self {
            issuers: issuers.collect::<Result<_, _>>()?,
            seen: bounded(SEEN_BYTES, TYPICAL_BYTES, Weight),
            generation: generation.clone(),
        })
    }

    /// The caller that a token identifies. Waits for newer keys where the token's key is not known yet.
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
            // Boxed, because this future is large and is seldom awaited.
            && Box::pin(issuer.refresh_for_unknown_key()).await
        {
            return self.check(text, digest, now);
        }
        verified
    }

    /// The same, using only the keys that are in force.
    pub(super) fn check(
        &self,
        text: &str,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Caller, Rejection> {
        // Read before the keys: if they change in between, the cached result counts as outdated.
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

    /// Reads the keys in files again. Where a file is invalid, the previous keys stay in force.
    ///
    /// # Errors
    /// The first file that is invalid.
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
