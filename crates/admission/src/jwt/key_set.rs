//! The keys of one issuer at one time.

use serde::Deserialize;
use serde_json::Value;

use super::jws::Jws;
use super::key::{Jwk, Key, KeyError};
use crate::digest::Digest;
use crate::rejection::TokenError;

/// The maximum number of keys in a set.
const MAX_KEYS: usize = 100;
/// The maximum number of keys to try for a token without a key id.
const MAX_TRIES: usize = 8;

/// The keys of one issuer: either public keys or one secret.
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// The digest of the source, which shows whether a new set is different.
    digest: Digest,
}

/// Why a key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("it is not a JSON Web Key Set: {0}")]
    Form(String),
    #[error("it has more than {MAX_KEYS} keys")]
    TooMany,
    #[error("it has no usable key{}", .0.map(|error| format!(": {error}")).unwrap_or_default())]
    NoKey(Option<KeyError>),
    #[error(transparent)]
    Secret(#[from] KeyError),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

impl KeySet {
    /// A set of public keys (JWKS). Unusable keys are left out.
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let Jwks { keys: all } =
            serde_json::from_slice(json).map_err(|error| KeySetError::Form(error.to_string()))?;
        if all.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut keys = Vec::new();
        let mut unusable = None;
        for value in all {
            let jwk = serde_json::from_value::<Jwk>(value).map_err(|_| KeyError::Form);
            match jwk.and_then(Key::from_jwk) {
                Ok(key) => keys.push(key),
                Err(error) => unusable = Some(error),
            }
        }
        match keys.is_empty() {
            true => Err(KeySetError::NoKey(unusable)),
            false => Ok(Self {
                keys,
                digest: Digest::of(json),
            }),
        }
    }

    /// A secret that is shared with the issuer.
    pub(super) fn from_secret(secret: &[u8]) -> Result<Self, KeySetError> {
        Ok(Self {
            keys: vec![Key::from_secret(secret)?],
            digest: Digest::of(secret),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Verifies the token with one of the keys. Key ids need not be unique: all keys with the token's id are tried.
    pub(super) fn verify(&self, token: &Jws<'_>) -> Result<(), TokenError> {
        let (named, tries) = match &token.header.kid {
            Some(id) => (
                self.keys.iter().filter(|key| key.is_named(id)).collect(),
                MAX_KEYS,
            ),
            None => (self.keys.iter().collect::<Vec<_>>(), MAX_TRIES),
        };
        if named.is_empty() {
            return Err(TokenError::Key);
        }
        let is_signed = named
            .into_iter()
            .filter(|key| key.is_for(&token.header.alg))
            .take(tries)
            .any(|key| key.verifies(token.signed, &token.signature));
        match is_signed {
            true => Ok(()),
            false => Err(TokenError::Signature),
        }
    }
}
