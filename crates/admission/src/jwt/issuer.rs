//! An issuer of JWTs: the claims that its tokens must have, and the keys that sign them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use otlp_spans::Tracer;

use super::current::Current;
use super::fetch::{KeySetUrl, UrlError};
use super::jws::Jws;
use super::key_set::{KeySet, KeySetError};
use super::refresh::Refresher;
use crate::caller::{Caller, Identity, Proof};
use crate::file::{self, FileError, Problem};
use crate::generation::Generation;
use crate::rejection::Rejection;
use crate::settings::{IssuerSettings, KeysFrom};
use broadsheet_articles::clock::Timestamp;

/// Why an issuer cannot be set up. No error repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("the address of a key set: {0}")]
    Url(#[from] UrlError),
    #[error("JWT_SECRET: {0}")]
    Secret(#[from] KeySetError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// An issuer of JWTs. Its keys verify only its own tokens.
pub(super) struct Issuer {
    settings: IssuerSettings,
    name: Option<Arc<str>>,
    skew: Duration,
    current: Arc<Current>,
    refresher: Option<Refresher>,
}

impl Issuer {
    /// Reads its keys, or starts fetching them.
    pub(super) fn open(
        settings: IssuerSettings,
        skew: Duration,
        generation: Generation,
        tracer: Option<&Tracer>,
    ) -> Result<Self, IssuerError> {
        let keys = load(&settings.keys)?;
        let name: Option<Arc<str>> = settings.issuer.as_deref().map(Arc::from);
        let shown = name.as_deref().unwrap_or("any").to_owned();
        let current = Arc::new(Current::new(shown, keys, generation));
        let refresher = match &settings.keys {
            KeysFrom::Url(url) => {
                let url: KeySetUrl = url.parse()?;
                tracing::debug!(url = url.shown(), "fetches keys for JWTs");
                let tracer = tracer.cloned();
                let fetch = move || {
                    let (url, tracer) = (url.clone(), tracer.clone());
                    async move { url.fetch_traced(tracer.as_ref()).await }
                };
                Some(Refresher::start(Arc::clone(&current), fetch))
            }
            _ => None,
        };
        Ok(Self {
            settings,
            name,
            skew,
            current,
            refresher,
        })
    }

    /// Its name, where tokens must state it.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether a token with this `iss` belongs to this issuer.
    pub(super) fn is_named(&self, iss: Option<&str>) -> bool {
        self.name.is_none() || self.name() == iss
    }

    pub(super) fn current(&self) -> &Current {
        &self.current
    }

    /// Reads its keys again where they come from a file.
    pub(super) fn load(&self) -> Result<Option<KeySet>, IssuerError> {
        load(&self.settings.keys)
    }

    /// Waits for newer keys, where the keys come from a URL. Returns whether there are any.
    pub(super) async fn refresh_for_unknown_key(&self) -> bool {
        match &self.refresher {
            Some(refresher) => refresher.refresh_for_unknown_key().await,
            None => false,
        }
    }

    /// The caller that a valid token identifies. `text` is the whole token.
    ///
    /// The signature is verified first: the claims of an unsigned token are not worth reading.
    pub(super) fn verify(
        &self,
        token: &Jws<'_>,
        text: &str,
        now: Timestamp,
    ) -> Result<Caller, Rejection> {
        let keys = self.current.keys().ok_or(Rejection::KeysMissing)?;
        keys.verify(token)?;
        let claims = &token.claims;
        let until = claims.check_time(now, self.skew)?;
        claims.check_audience(&self.settings.audience)?;
        let scopes = claims.scopes(self.settings.scopes_claim.as_deref())?;
        let identity = Identity::Subject {
            issuer: self.name.clone(),
            subject: claims.subject(),
        };
        Ok(Caller::new(
            identity,
            scopes,
            Some(until),
            Proof::Jwt(text.into()),
        ))
    }
}

/// Reads the keys from a file or a secret; those from a URL are fetched later.
fn load(from: &KeysFrom) -> Result<Option<KeySet>, IssuerError> {
    let keys = match from {
        KeysFrom::Url(_) => return Ok(None),
        KeysFrom::Secret(secret) => KeySet::from_secret(secret.0.as_bytes())?,
        KeysFrom::File(path) => of_file(path, KeySet::parse(file::read(path)?.as_bytes()))?,
        KeysFrom::SecretFile(path) => {
            let text = file::read_private(path)?;
            // Editors end a file with a newline, which is not part of the secret.
            let secret = text.strip_suffix('\n').unwrap_or(&text);
            of_file(path, KeySet::from_secret(secret.as_bytes()))?
        }
    };
    Ok(Some(keys))
}

fn of_file(path: &Path, keys: Result<KeySet, KeySetError>) -> Result<KeySet, FileError> {
    keys.map_err(|error| Problem::Content(error.to_string()).of(path))
}
