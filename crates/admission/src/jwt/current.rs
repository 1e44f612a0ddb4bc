//! The keys of an issuer that are in force: [`Current`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::key_set::KeySet;
use crate::generation::Generation;

/// The keys of an issuer that are in force, where there are any.
pub(super) struct Current {
    /// For the log.
    issuer: String,
    keys: RwLock<Option<Arc<KeySet>>>,
    failures: AtomicU64,
    generation: Generation,
}

impl Current {
    pub(super) fn new(issuer: String, keys: Option<KeySet>, generation: Generation) -> Self {
        Self {
            issuer,
            keys: RwLock::new(keys.map(Arc::new)),
            failures: AtomicU64::new(0),
            generation,
        }
    }

    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// How often a newer set could not be fetched or not be used.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Puts a set in force. Publishing the same set again changes nothing.
    pub(super) fn publish(&self, keys: KeySet) {
        if self.keys().is_some_and(|present| present.is_same(&keys)) {
            return;
        }
        tracing::info!(issuer = self.issuer, keys = keys.len(), "keys for JWTs");
        self.replace(Some(Arc::new(keys)));
    }

    /// Withdraws a set that is too old.
    pub(super) fn withdraw(&self) {
        tracing::error!(
            issuer = self.issuer,
            "the keys for JWTs are too old: tokens get 503 until there are newer ones"
        );
        self.replace(None);
    }

    /// Records that no newer set is available; the present one stays in force.
    pub(super) fn fail(&self, error: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys().map_or(0, |keys| keys.len());
        tracing::warn!(
            issuer = self.issuer,
            keys,
            error,
            "newer keys for JWTs could not be fetched"
        );
    }

    fn replace(&self, keys: Option<Arc<KeySet>>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        self.generation.advance();
    }
}
