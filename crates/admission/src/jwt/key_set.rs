//! The keys of one issuer at one time.

use serde::Deserialize;
use serde_json::Value;

use super::jws::Jws;
use super::key::{Jwk, Key, KeyError};
use crate::digest::Digest;
use crate::rejection::TokenError;

/// The most keys of a set.
const MAX_KEYS: usize = 100;
/// So many keys are tried for a token that names none.
const MAX_TRIES: usize = 8;

/// The keys of one issuer: public ones, or one secret, never both.
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Of what it was made from, by which a new one is told from the same again.
    digest: Digest,
}

/// Why a key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("it is no JSON Web Key Set: {0}")]
    Form(String),
    #[error("it has more than {MAX_KEYS} keys")]
    TooMany,
    #[error("it has no key that can be used{}", .0.map(|error| format!(": {error}")).unwrap_or_default())]
    NoKey(Option<KeyError>),
    #[error(transparent)]
    Secret(#[from] KeyError),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

impl KeySet {
    /// A set of public keys (JWKS). Those of it that cannot be used are left out.
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

    /// Whether one of the keys has signed the token. Ids need not be unique: all keys of the token's are tried.
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
