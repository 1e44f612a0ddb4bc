//! Admission: who asks, and what they may do. Decided here once, for all transports, before anything is shared with other
//! callers, looked up in a cache or compared with an `ETag`.
//!
//! | what comes | what is asked | answer |
//! | --- | --- | --- |
//! | no token | reading, where `ANONYMOUS_READS` | admitted |
//! | no token | writing, where `ANONYMOUS_WRITES` (`anonymous.rs` has its default) | admitted |
//! | no token | anything else | 401 `UNAUTHENTICATED` |
//! | a token that is not valid, or something that is none | anything | 401 `UNAUTHENTICATED`, `error="invalid_token"` |
//! | a JWT of an issuer whose keys could not be had yet | anything | 503 `UNAVAILABLE` |
//! | a valid token with `articles:read` | reading | admitted |
//! | a valid token with `articles:write` | reading or writing | admitted |
//! | a valid token without that scope | that | 403 `FORBIDDEN`, `error="insufficient_scope"` |
//!
//! A token that is there but not valid is never treated as none, and what it may do never depends on what anonymous
//! callers may do. Secrets are neither logged nor repeated. Only `admit.rs` knows the transports.
//!
//! ```
//! use broadsheet_admission::settings::AdmissionSettings;
//! use broadsheet_admission::{Admission, Credential, Rejection, Scope};
//! use broadsheet_articles::clock::Clock;
//! use clap::Parser;
//!
//! #[derive(Parser)]
//! struct Flags {
//!     #[command(flatten)]
//!     admission: AdmissionSettings,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Flags::parse_from(["server", "--anonymous-writes", "false"]);
//! let admission = Admission::open(&flags.admission, [127, 0, 0, 1].into(), Clock::system())?;
//!
//! let caller = admission.authenticate(Credential::None).await?;
//! assert_eq!(admission.check(&caller, Scope::Read), Ok(()));
//! let rejection = Rejection::TokenNeeded(Scope::Write);
//! assert_eq!(admission.check(&caller, Scope::Write), Err(rejection));
//! # Ok(())
//! # }
//! ```
//!
//! Decision: `docs/decisions/0008-admission.md`.

mod admit;
mod anonymous;
mod cache;
mod caller;
mod counts;
mod credential;
mod digest;
pub mod file;
mod generation;
mod jwt;
mod rejection;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use self::anonymous::OpenToAll;
pub use self::caller::{Caller, Identity, Scope, Scopes, UnknownScope};
pub use self::credential::Credential;
pub use self::file::{FileError, Problem};
pub use self::jwt::{IssuerError, IssuerStatus};
pub use self::rejection::{Rejection, TokenError};

use self::caller::Proof;
use self::counts::Rejections;
use self::digest::Digest;
use self::generation::Generation;
use self::jwt::Jwts;
use self::settings::{AdmissionSettings, SettingsError};
use self::tokens::Tokens;
use broadsheet_articles::clock::Clock;

/// The longest token.
const MAX_TOKEN_BYTES: usize = 8_192;
/// How often somebody who waits for the end of a credential looks at the clock, which can be set.
const LOOK: Duration = Duration::from_mins(1);

/// Decides who is admitted. Clones share everything.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    clock: Clock,
    anonymous: Caller,
    tokens: Option<Tokens>,
    jwts: Option<Jwts>,
    generation: Generation,
    failed_reloads: AtomicU64,
    rejections: Rejections,
}

/// Why nobody could be admitted: the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error(transparent)]
    OpenToAll(#[from] OpenToAll),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
}

impl Admission {
    /// Reads what the settings name, for a server that listens on `host`, and begins to fetch the keys of JWTs, which
    /// needs a Tokio runtime.
    ///
    /// # Errors
    /// Settings do not go together, a file cannot be used, or the server would be open to everybody by accident.
    pub fn open(
        settings: &AdmissionSettings,
        host: IpAddr,
        clock: Clock,
    ) -> Result<Self, AdmissionError> {
        let issuers = settings.jwt.issuers()?;
        let has_credentials = settings.tokens_file.is_some() || !issuers.is_empty();
        let scopes = anonymous::scopes(settings, host, has_credentials)?;
        let generation = Generation::default();
        let tokens = settings.tokens_file.as_deref().map(Tokens::open);
        let skew = settings.jwt.jwt_clock_skew;
        let jwts = match issuers.is_empty() {
            true => None,
            false => Some(Jwts::open(issuers, skew, &generation)?),
        };
        Ok(Self(Arc::new(Inner {
            clock,
            anonymous: Caller::anonymous(scopes),
            tokens: tokens.transpose()?,
            jwts,
            generation,
            failed_reloads: AtomicU64::new(0),
            rejections: Rejections::default(),
        })))
    }

    /// Admits whoever comes with a credential to what they ask for.
    ///
    /// # Errors
    /// They are not admitted, and nothing may run.
    pub async fn admit(
        &self,
        credential: Credential<'_>,
        asked: Scope,
    ) -> Result<Caller, Rejection> {
        let caller = self.authenticate(credential).await?;
        self.check(&caller, asked)?;
        Ok(caller)
    }

    /// Says who comes with a credential, unless they may do nothing at all.
    ///
    /// # Errors
    /// They are not admitted, and nothing of what they send is to be read.
    pub async fn admit_to_any(&self, credential: Credential<'_>) -> Result<Caller, Rejection> {
        let caller = self.authenticate(credential).await?;
        if !caller.scopes().read && !caller.scopes().write {
            self.check(&caller, Scope::Read)?;
        }
        Ok(caller)
    }

    /// Whether a caller may do what it asks for.
    ///
    /// # Errors
    /// It may not: with a token for lack of a scope, without one for lack of a token.
    pub fn check(&self, caller: &Caller, asked: Scope) -> Result<(), Rejection> {
        caller
            .may(asked)
            .inspect_err(|rejection| self.told(*rejection))
    }

    /// Says who comes with a credential, for those who learn later what is asked for: [`check`](Self::check) says the
    /// rest. From here on the log says whose request it is.
    ///
    /// Nothing is read from the form of a token but whether its SHA-256 is one of a static token. It waits for nothing
    /// but newer keys, where a JWT names one that is not known.
    ///
    /// # Errors
    /// There is one, and it is not valid, or cannot be judged at the moment.
    pub async fn authenticate(&self, credential: Credential<'_>) -> Result<Caller, Rejection> {
        let authenticated = match credential {
            Credential::None => return Ok(self.0.anonymous.clone()),
            Credential::Unusable => Err(TokenError::Form.into()),
            Credential::Bearer(text) => self.verify(text).await,
        };
        match &authenticated {
            Ok(caller) => {
                tracing::Span::current().record("caller", caller.name());
            }
            Err(rejection) => self.told(*rejection),
        }
        authenticated
    }

    /// Who comes with this token.
    async fn verify(&self, text: &str) -> Result<Caller, Rejection> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong.into());
        }
        let digest = Digest::of(text);
        if let (Some(caller), Some(tokens)) = (self.token(&digest), &self.0.tokens) {
            if caller.is_ok() {
                tokens.used(&digest);
            }
            return caller;
        }
        match &self.0.jwts {
            None => Err(TokenError::Unknown.into()),
            Some(jwts) => jwts.verify(text, digest, self.0.clock.now()).await,
        }
    }

    /// The token itself is not told: somebody may have mistyped it only.
    fn told(&self, rejection: Rejection) {
        self.0.rejections.count(rejection);
        if let Rejection::InvalidToken(reason) = rejection {
            self.0.rejections.log_token(reason);
        } else {
            tracing::debug!(reason = %rejection, "a caller was not admitted");
        }
    }

    /// Who comes with a static token, where there is one of that digest.
    fn token(&self, digest: &Digest) -> Option<Result<Caller, Rejection>> {
        let caller = self.0.tokens.as_ref()?.get(digest)?;
        Some(match caller.is_over(self.0.clock.now()) {
            true => Err(TokenError::Expired.into()),
            false => Ok(caller),
        })
    }

    /// Waits until what a caller was admitted by has ended: because it has expired, was revoked, or may do something
    /// else by now. Open sockets and streams end then, and may come back with what is valid.
    pub async fn ended(&self, caller: &Caller) {
        if caller.is_anonymous() {
            return std::future::pending().await;
        }
        // Before the first look, so that no change falls in between.
        let mut changes = self.0.generation.subscribe();
        while self.is_still(caller) {
            let now = self.0.clock.now().as_micros();
            let remaining = caller.until().map_or(LOOK, |until| {
                let micros = until.as_micros().saturating_sub(now);
                Duration::from_micros(u64::try_from(micros).unwrap_or_default())
            });
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(remaining.min(LOOK)) => {}
            }
        }
    }

    /// Whether what a caller was admitted by would admit the same caller now.
    fn is_still(&self, caller: &Caller) -> bool {
        let now = self.0.clock.now();
        let present = match (caller.proof(), &self.0.jwts) {
            (Proof::Nothing, _) => return true,
            (Proof::Token(digest), _) => self.token(digest),
            (Proof::Jwt(text), Some(jwts)) => Some(jwts.check(text, Digest::of(&**text), now)),
            (Proof::Jwt(_), None) => None,
        };
        present.is_some_and(|present| present.is_ok_and(|present| present == *caller))
    }

    /// Reads tokens, secrets and key sets that come from files again, blocking. What is broken stays as it was.
    ///
    /// Settings, the file of issuers among them, are those of the start.
    ///
    /// # Errors
    /// What is broken, or the first of it.
    pub fn reload(&self) -> Result<(), AdmissionError> {
        let keys = self.0.jwts.as_ref().map_or(Ok(()), Jwts::reload);
        let tokens = self.0.tokens.as_ref().map_or(Ok(()), |tokens| {
            tokens.replace(tokens.load()?);
            self.0.generation.advance();
            Ok(())
        });
        let outcome = tokens
            .map_err(AdmissionError::File)
            .and(keys.map_err(AdmissionError::Issuer));
        if let Err(error) = &outcome {
            self.0.failed_reloads.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "tokens or keys stay as they were");
        }
        outcome
    }

    /// How often [`reload`](Self::reload) met something broken.
    pub fn failed_reloads(&self) -> u64 {
        self.0.failed_reloads.load(Ordering::Relaxed)
    }

    /// How often callers were not admitted, by the reason.
    pub fn rejections(&self) -> impl IntoIterator<Item = (&'static str, u64)> {
        self.0.rejections.counts()
    }

    /// How often each static token was used since the start, by its name.
    pub fn token_uses(&self) -> Vec<(String, u64)> {
        self.0.tokens.as_ref().map(Tokens::uses).unwrap_or_default()
    }

    /// Whether there are tokens or JWTs that anybody could be admitted by.
    pub fn has_credentials(&self) -> bool {
        self.0.tokens.is_some() || self.0.jwts.is_some()
    }

    /// What callers without a token may do.
    pub fn anonymous(&self) -> Scopes {
        self.0.anonymous.scopes()
    }

    /// How the keys of each issuer of JWTs are. The server is ready when each has some.
    pub fn status(&self) -> Vec<IssuerStatus> {
        self.0.jwts.as_ref().map(Jwts::status).unwrap_or_default()
    }
}
