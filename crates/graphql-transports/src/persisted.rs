//! Documents that a request names instead of sending: automatic persisted queries and trusted documents.
//!
//! The pipeline first calls [`PersistedOperations::resolve`] on every transport, and [`PersistedOperations::register`]
//! once the document has passed validation. `store.rs` keeps what clients have registered, `manifest.rs` what an
//! operator trusts; this file decides between the two.

mod manifest;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::StatusCode;
use sha2::{Digest as _, Sha256};

use self::manifest::Manifest;
pub use self::manifest::ManifestError;
use self::store::Store;
use super::error::ErrorCode;
use super::operation::GraphQLParams;
use super::rejection::Rejection;
use graphql_guard::json::{self, ObjectText};

/// The settings of persisted documents.
#[derive(Clone, Debug)]
pub struct PersistedSettings {
    /// The memory for automatic persisted queries, in bytes; 0 turns them off.
    pub automatic_bytes: usize,
    /// The manifest of trusted documents, as graphql-codegen, Relay or Apollo's tools write it.
    pub manifest: Option<PathBuf>,
    /// What the manifest is used for.
    pub mode: TrustedMode,
}

/// What a manifest of trusted documents is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustedMode {
    /// Nothing: it is not read.
    #[default]
    Off,
    /// Its documents can be requested by their ids; other documents are executed too.
    Prefer,
    /// Only its documents are executed.
    Only,
}

/// The documents that may be executed, by text or by name. Clones share everything.
#[derive(Clone)]
pub struct PersistedOperations(Arc<Inner>);

struct Inner {
    settings: PersistedSettings,
    automatic: Store,
    trusted: RwLock<Arc<Manifest>>,
}

/// The document of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its text.
    pub query: Arc<str>,
    /// Whether the manifest contains it.
    pub is_trusted: bool,
    /// What to pass to [`PersistedOperations::register`] once the document has passed validation.
    pub register: Option<Registration>,
}

/// A document to be kept with its hash, as a client requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    hash: Hash,
    query: Arc<str>,
}

/// SHA-256 of a document's text.
type Hash = [u8; 32];

impl PersistedOperations {
    /// Reads the manifest, if any.
    ///
    /// # Errors
    /// The manifest cannot be read, or the mode needs one and none is configured.
    pub fn open(settings: PersistedSettings) -> Result<Self, ManifestError> {
        let manifest = match (&settings.manifest, settings.mode) {
            (_, TrustedMode::Off) => Manifest::default(),
            (Some(path), _) => Manifest::load(path)?,
            (None, _) => return Err(ManifestError::NotNamed),
        };
        Ok(Self::with(settings, manifest))
    }

    /// Automatic persisted queries within this number of bytes, and no trusted documents.
    pub fn automatic(bytes: usize) -> Self {
        let settings = PersistedSettings {
            automatic_bytes: bytes,
            manifest: None,
            mode: TrustedMode::Off,
        };
        Self::with(settings, Manifest::default())
    }

    fn with(settings: PersistedSettings, manifest: Manifest) -> Self {
        Self(Arc::new(Inner {
            automatic: Store::new(settings.automatic_bytes),
            trusted: RwLock::new(Arc::new(manifest)),
            settings,
        }))
    }

    /// Reads the manifest again.
    ///
    /// # Errors
    /// The manifest cannot be read; the documents trusted so far stay trusted.
    pub fn reload(&self) -> Result<(), ManifestError> {
        let Some(path) = &self.0.settings.manifest else {
            return Ok(());
        };
        if self.0.settings.mode == TrustedMode::Off {
            return Ok(());
        }
        let manifest = Arc::new(Manifest::load(path)?);
        *self
            .0
            .trusted
            .write()
            .unwrap_or_else(PoisonError::into_inner) = manifest;
        Ok(())
    }

    /// The number of trusted documents.
    pub fn trusted_count(&self) -> usize {
        self.trusted().len()
    }

    fn trusted(&self) -> Arc<Manifest> {
        let trusted = self.0.trusted.read();
        Arc::clone(&trusted.unwrap_or_else(PoisonError::into_inner))
    }

    /// The document of a request, by its text or by a name, if it may be executed.
    ///
    /// # Errors
    /// The name is unknown (the client may send the text too), the name and the text do not match, or only trusted
    /// documents are allowed and this is not one.
    pub fn resolve(&self, params: &GraphQLParams) -> Result<Resolved, Rejection> {
        let persisted = PersistedQuery::read(&params.extensions)?;
        let is_named = params.document_id.is_some() || persisted.is_some();
        // Clients whose requests always have a `query`, such as graphql-ws, leave it empty when they send a name.
        let query = params.query.as_deref();
        let query = query.filter(|query| !(is_named && query.is_empty()));
        let id = params.document_id.as_deref();
        if let Some(resolved) = self.resolve_trusted(id, persisted.as_ref(), query)? {
            return Ok(resolved);
        }
        if self.0.settings.mode == TrustedMode::Only {
            return Err(not_trusted());
        }
        match (persisted, query) {
            (Some(persisted), query) => self.resolve_automatic(&persisted, query),
            (None, Some(query)) => Ok(Resolved::of(query.into())),
            (None, None) if id.is_some() => Err(unknown_id()),
            (None, None) => Err(bad_request("`query` is missing")),
        }
    }

    /// Keeps a document that has passed validation.
    pub fn register(&self, registration: Registration) {
        self.0
            .automatic
            .insert(registration.hash, registration.query);
    }

    /// Finds the document by `documentId`, by the hash of an automatic persisted query, or by the text itself.
    fn resolve_trusted(
        &self,
        document_id: Option<&str>,
        persisted: Option<&PersistedQuery>,
        query: Option<&str>,
    ) -> Result<Option<Resolved>, Rejection> {
        if self.0.settings.mode == TrustedMode::Off {
            return Ok(None);
        }
        let trusted = self.trusted();
        let ids = [
            document_id,
            persisted.map(|persisted| persisted.hash.as_str()),
        ];
        let by_id = ids.into_iter().flatten().find_map(|id| trusted.by_id(id));
        let document = match (by_id, query) {
            (Some(document), Some(query)) if *document != *query => {
                return Err(bad_request(
                    "the text is not that of the trusted document with this id",
                ));
            }
            (Some(document), _) => document,
            (None, query) => match query.and_then(|query| trusted.by_text(query)) {
                Some(document) => document,
                None => return Ok(None),
            },
        };
        Ok(Some(Resolved {
            query: document,
            is_trusted: true,
            register: None,
        }))
    }

    fn resolve_automatic(
        &self,
        persisted: &PersistedQuery,
        query: Option<&str>,
    ) -> Result<Resolved, Rejection> {
        let hash = persisted.sha256()?;
        let Some(query) = query else {
            return match self.0.automatic.get(&hash) {
                Some(query) => Ok(Resolved::of(query)),
                None if self.0.settings.automatic_bytes == 0 => Err(not_supported()),
                None => Err(not_found()),
            };
        };
        if Hash::from(Sha256::digest(query)) != hash {
            return Err(bad_request("provided sha does not match query"));
        }
        let query = Arc::from(query);
        Ok(Resolved {
            register: Some(Registration {
                hash,
                query: Arc::clone(&query),
            }),
            ..Resolved::of(query)
        })
    }
}

impl Resolved {
    fn of(query: Arc<str>) -> Self {
        Self {
            query,
            is_trusted: false,
            register: None,
        }
    }
}

/// `extensions.persistedQuery`, as Apollo's and urql's clients send it.
struct PersistedQuery {
    /// Called `sha256Hash` in requests; it may be any text where it is the id of a trusted document.
    hash: String,
}

impl PersistedQuery {
    fn read(extensions: &ObjectText) -> Result<Option<Self>, Rejection> {
        let value = extensions.get("persistedQuery");
        let Some(value) = value.filter(|value| !json::is_null(value)) else {
            return Ok(None);
        };
        let value = ObjectText::new(value).unwrap_or_default();
        if value
            .get("version")
            .is_none_or(|version| version.get() != "1")
        {
            return Err(bad_request(
                "`extensions.persistedQuery.version` must be 1: no other is served",
            ));
        }
        let hash = value.get("sha256Hash");
        match hash.map(json::string) {
            Some(Ok(Some(hash))) => Ok(Some(Self { hash })),
            _ => Err(bad_request(
                "`extensions.persistedQuery.sha256Hash` must be a string",
            )),
        }
    }

    fn sha256(&self) -> Result<Hash, Rejection> {
        manifest::read_sha256(&self.hash).ok_or_else(|| {
            bad_request("`extensions.persistedQuery.sha256Hash` must be 64 hexadecimal digits")
        })
    }
}

fn bad_request(message: &str) -> Rejection {
    Rejection::bad_request(StatusCode::BAD_REQUEST, message)
}

/// Clients recognize the message or the code, and send the text too.
fn not_found() -> Rejection {
    not_known("PersistedQueryNotFound")
}

/// Clients recognize the message, and send no more hashes.
fn not_supported() -> Rejection {
    not_known("PersistedQueryNotSupported")
}

fn unknown_id() -> Rejection {
    not_known("no document has this `documentId`")
}

fn not_known(message: &str) -> Rejection {
    Rejection::new(
        StatusCode::BAD_REQUEST,
        ErrorCode::PERSISTED_QUERY_NOT_FOUND,
        message,
    )
}

fn not_trusted() -> Rejection {
    let message = "only trusted documents are served here, and this is none";
    Rejection::new(
        StatusCode::BAD_REQUEST,
        ErrorCode::DOCUMENT_NOT_TRUSTED,
        message,
    )
}
