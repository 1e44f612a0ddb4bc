//! Trusted documents: the manifests that clients' build tools write.
//!
//! Three formats, distinguished by their content: the map from id to text of graphql-codegen
//! (`persisted-documents.json`) and Relay, Relay's list of pairs, and Apollo's `apollo-persisted-query-manifest`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Hash;
use graphql_guard::json;

/// Why the trusted documents could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The mode needs a manifest, and none is configured.
    #[error("trusted documents are enabled, but no manifest is named")]
    NotNamed,
    /// The file cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, #[source] std::io::Error),
    /// The file is not JSON.
    #[error("{0} is not valid JSON: {1}")]
    Json(PathBuf, #[source] serde_json::Error),
    /// JSON in none of the three formats.
    #[error("{0} is not a manifest of trusted documents: {1}")]
    Form(PathBuf, String),
}

/// Documents that an operator trusts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    by_id: HashMap<String, Arc<str>>,
    by_hash: HashMap<Hash, Arc<str>>,
}

impl Manifest {
    /// Reads a file in any of the three formats.
    pub(super) fn load(path: &Path) -> Result<Self, ManifestError> {
        let text =
            std::fs::read(path).map_err(|error| ManifestError::Read(path.to_owned(), error))?;
        let manifest = serde_json::from_slice(json::without_byte_order_mark(&text))
            .map_err(|error| ManifestError::Json(path.to_owned(), error))?;
        Self::read(manifest).map_err(|reason| ManifestError::Form(path.to_owned(), reason))
    }

    fn read(manifest: Value) -> Result<Self, String> {
        let mut documents = Self::default();
        match manifest {
            Value::Array(pairs) => {
                for (index, pair) in pairs.into_iter().enumerate() {
                    let (id, text): (String, String) = serde_json::from_value(pair)
                        .map_err(|_| format!("item {index} is not a pair of id and text"))?;
                    documents.add(id, text)?;
                }
            }
            Value::Object(map) if map.contains_key("operations") => {
                let manifest: ApolloManifest = serde_json::from_value(Value::Object(map))
                    .map_err(|error| format!("as Apollo's manifest: {error}"))?;
                manifest.check()?;
                for operation in manifest.operations {
                    documents.add(operation.id, operation.body)?;
                }
            }
            Value::Object(map) => {
                for (id, text) in map {
                    let Value::String(text) = text else {
                        return Err(format!("the document of {id:?} is not a string"));
                    };
                    documents.add(id, text)?;
                }
            }
            _ => return Err("it is neither an object nor a list".to_owned()),
        }
        Ok(documents)
    }

    fn add(&mut self, id: String, text: String) -> Result<(), String> {
        let text: Arc<str> = text.into();
        let hash = Hash::from(Sha256::digest(text.as_bytes()));
        match self.by_id.get(&id) {
            Some(other) if *other != text => {
                return Err(format!("two documents have the id {id:?}"));
            }
            _ => {}
        }
        self.by_hash.insert(hash, Arc::clone(&text));
        self.by_id.insert(id, text);
        Ok(())
    }

    /// The number of documents.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Finds a document by its id in the manifest, or by its SHA-256. An id may have the prefix that "Persisted
    /// Documents" of GraphQL over HTTP defines for hashes.
    pub(super) fn by_id(&self, id: &str) -> Option<Arc<str>> {
        let bare = id.strip_prefix("sha256:").unwrap_or(id);
        let by_id = self.by_id.get(id).or_else(|| self.by_id.get(bare));
        by_id
            .or_else(|| self.by_hash.get(&read_sha256(bare)?))
            .cloned()
    }

    /// Finds a document by its exact text.
    pub(super) fn by_text(&self, text: &str) -> Option<Arc<str>> {
        let hash = Hash::from(Sha256::digest(text));
        self.by_hash.get(&hash).cloned()
    }
}

/// The file that `@apollo/generate-persisted-query-manifest` writes.
#[derive(Deserialize)]
struct ApolloManifest {
    format: String,
    version: u64,
    operations: Vec<ApolloOperation>,
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

impl ApolloManifest {
    fn check(&self) -> Result<(), String> {
        match (self.format.as_str(), self.version) {
            ("apollo-persisted-query-manifest", 1) => Ok(()),
            (format, version) => Err(format!("the format {format:?}, version {version}")),
        }
    }
}

/// Parses 64 hexadecimal digits.
pub(super) fn read_sha256(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    (base16ct::mixed::decode(text, &mut hash).ok()?.len() == 32).then_some(hash)
}
