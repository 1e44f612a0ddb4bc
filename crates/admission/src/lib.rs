//! Admission: who sends a request, and what they may do. Decided once for all transports, before a request shares the
//! execution of another, is looked up in a cache or compared with an `ETag`.
//!
//! | credential | scope that is needed | outcome |
//! | --- | --- | --- |
//! | no token | reading, where `ANONYMOUS_READS` | admitted |
//! | no token | writing, where `ANONYMOUS_WRITES` (`anonymous.rs` has its default) | admitted |
//! | no token | anything else | 401 `UNAUTHENTICATED` |
//! | a token that is not valid, or a text that is not a token | anything | 401 `UNAUTHENTICATED`, `error="invalid_token"` |
//! | a JWT of an issuer whose keys are not available | anything | 503 `UNAVAILABLE` |
//! | a valid token with `articles:read` | reading | admitted |
//! | a valid token with `articles:write` | reading or writing | admitted |
//! | a valid token without the scope | either | 403 `FORBIDDEN`, `error="insufficient_scope"` |
//!
//! An invalid token never counts as anonymous, and the scopes of a token never depend on those of anonymous callers.
//! Secrets are neither logged nor repeated. Only `admit.rs` knows the transports.
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
//! let admission = Admission::open(&flags.admission, [127, 0, 0, 1].into(), Clock::system(), None)?;
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

use otlp_spans::Tracer;

use self::caller::Proof;
use self::counts::Rejections;
use self::digest::Digest;
use self::generation::Generation;
use self::jwt::Jwts;
use self::settings::{AdmissionSettings, SettingsError};
use self::tokens::Tokens;
use broadsheet_articles::clock::Clock;

/// The maximum length of a token.
const MAX_TOKEN_BYTES: usize = 8_192;
/// How often a task that waits for a credential to expire checks the clock, because the clock may be set.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// Decides which callers are admitted. Clones share everything.
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

/// Why admission cannot be set up; the server then does not start.
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
    /// Reads the files that the settings name, for a server that listens on `host`, and starts fetching the keys of
    /// JWTs, which needs a Tokio runtime. With `tracer`, each fetch is a trace.
    ///
    /// # Errors
    /// Settings contradict each other, a file cannot be used, or the server would be open to anyone by accident.
    pub fn open(
        settings: &AdmissionSettings,
        host: IpAddr,
        clock: Clock,
        tracer: Option<&Tracer>,
    ) -> Result<Self, AdmissionError> {
        let issuers = settings.jwt.issuers()?;
        let has_credentials = settings.tokens_file.is_some() || !issuers.is_empty();
        let scopes = anonymous::scopes(settings, host, has_credentials)?;
        let generation = Generation::default();
        let tokens = settings.tokens_file.as_deref().map(Tokens::open);
        let skew = settings.jwt.jwt_clock_skew;
        let jwts = match issuers.is_empty() {
            true => None,
            false => Some(Jwts::open(issuers, skew, &generation, tracer)?),
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

    /// Admits the caller with this credential to the scope that it asks for.
    ///
    /// # Errors
    /// The caller is not admitted, and nothing may be executed.
    pub async fn admit(
        &self,
        credential: Credential<'_>,
        required: Scope,
    ) -> Result<Caller, Rejection> {
        let caller = self.authenticate(credential).await?;
        self.check(&caller, required)?;
        Ok(caller)
    }

    /// The caller with this credential, unless it has no scope at all.
    ///
    /// # Errors
    /// The caller is not admitted, and nothing that it sends may be read.
    pub async fn admit_to_any(&self, credential: Credential<'_>) -> Result<Caller, Rejection> {
        let caller = self.authenticate(credential).await?;
        if !caller.scopes().read && !caller.scopes().write {
            self.check(&caller, Scope::Read)?;
        }
        Ok(caller)
    }

    /// Whether a caller has the scope that it asks for.
    ///
    /// # Errors
    /// It has not: a caller with a token lacks the scope, one without a token needs one.
    pub fn check(&self, caller: &Caller, required: Scope) -> Result<(), Rejection> {
        caller
            .may(required)
            .inspect_err(|rejection| self.count_rejection(*rejection))
    }

    /// The caller with this credential, for transports that learn the required scope later and then call
    /// [`check`](Self::check). From here on the log names the caller of the request.
    ///
    /// The form of a token is not checked: only whether its SHA-256 is that of a static token. It waits only where a
    /// JWT names an unknown key, and then for newer keys.
    ///
    /// # Errors
    /// There is a credential, and it is not valid or cannot be verified at the moment.
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
            Err(rejection) => self.count_rejection(*rejection),
        }
        authenticated
    }

    /// The caller that this token identifies.
    async fn verify(&self, text: &str) -> Result<Caller, Rejection> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong.into());
        }
        let digest = Digest::of(text);
        let now = self.0.clock.now();
        let tokens = self.0.tokens.as_ref();
        if let Some(verified) = tokens.and_then(|tokens| tokens.verify(&digest, now)) {
            return verified;
        }
        match &self.0.jwts {
            None => Err(TokenError::Unknown.into()),
            Some(jwts) => jwts.verify(text, digest, now).await,
        }
    }

    /// Never logs the token itself: it may be a valid token with a typo.
    fn count_rejection(&self, rejection: Rejection) {
        self.0.rejections.count(rejection);
        if let Rejection::InvalidToken(reason) = rejection {
            self.0.rejections.log_token(reason);
        } else {
            tracing::debug!(reason = %rejection, "a caller was not admitted");
        }
    }

    /// Waits until the caller's credential no longer admits it as it is: the credential has expired, was revoked, or
    /// has other scopes now. Open sockets and streams are then closed, and clients may reconnect with a valid
    /// credential.
    pub async fn ended(&self, caller: &Caller) {
        if caller.is_anonymous() {
            return std::future::pending().await;
        }
        // Subscribed before the first check, so that no change goes unnoticed in between.
        let mut changes = self.0.generation.subscribe();
        while self.is_still(caller) {
            let now = self.0.clock.now().as_micros();
            let remaining = caller.until().map_or(CHECK_INTERVAL, |until| {
                let micros = until.as_micros().saturating_sub(now);
                Duration::from_micros(u64::try_from(micros).unwrap_or_default())
            });
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(remaining.min(CHECK_INTERVAL)) => {}
            }
        }
    }

    /// Whether the caller's credential would admit the same caller now.
    fn is_still(&self, caller: &Caller) -> bool {
        let now = self.0.clock.now();
        let present = match (caller.proof(), &self.0.jwts) {
            (Proof::Nothing, _) => return true,
            (Proof::Token(digest), _) => {
                let tokens = self.0.tokens.as_ref();
                tokens.and_then(|tokens| tokens.check(digest, now))
            }
            (Proof::Jwt(text), Some(jwts)) => Some(jwts.check(text, Digest::of(&**text), now)),
            (Proof::Jwt(_), None) => None,
        };
        present.is_some_and(|present| present.is_ok_and(|present| present == *caller))
    }

    /// Reads the files of tokens, secrets and key sets again, blocking. Where a file is invalid, the previous contents
    /// stay in force.
    ///
    /// The settings, including the file of issuers, are read only at the start.
    ///
    /// # Errors
    /// The first file that is invalid.
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

    /// How often [`reload`](Self::reload) has failed.
    pub fn failed_reloads(&self) -> u64 {
        self.0.failed_reloads.load(Ordering::Relaxed)
    }

    /// The number of callers that were not admitted, by reason.
    pub fn rejections(&self) -> impl IntoIterator<Item = (&'static str, u64)> {
        self.0.rejections.counts()
    }

    /// How often each static token was used since the start, by its name.
    pub fn token_uses(&self) -> Vec<(String, u64)> {
        self.0.tokens.as_ref().map(Tokens::uses).unwrap_or_default()
    }

    /// Whether any tokens or JWTs are configured.
    pub fn has_credentials(&self) -> bool {
        self.0.tokens.is_some() || self.0.jwts.is_some()
    }

    /// What callers without a token may do.
    pub fn anonymous(&self) -> Scopes {
        self.0.anonymous.scopes()
    }

    /// The state of each JWT issuer's keys. The server is ready when each has at least one key.
    pub fn status(&self) -> Vec<IssuerStatus> {
        self.0.jwts.as_ref().map(Jwts::status).unwrap_or_default()
    }
}
