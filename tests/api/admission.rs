//! Admission on every transport: static tokens, JWTs, and callers without either.

mod expiry;
mod jwt;
mod matrix;
mod operations;
mod precedence;
mod sharing;
mod start;

use std::path::PathBuf;

use broadsheet::admission::Scope;
use broadsheet::admission::tokens::{TokenEntry, TokenSecret, append};
use tempfile::TempDir;

use crate::support::{NOW, instant};

/// A file of static tokens, and their secrets.
pub(crate) struct Tokens {
    _directory: TempDir,
    path: PathBuf,
    secrets: Vec<(&'static str, String)>,
}

impl Tokens {
    /// A token for each scope, one without a scope, one that has expired, and a second reader to be revoked. Only the
    /// expired one has an expiry.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut tokens = Self {
            path: directory.path().join("tokens.toml"),
            _directory: directory,
            secrets: Vec::new(),
        };
        tokens.add("reader", Some(Scope::Read), None);
        tokens.add("writer", Some(Scope::Write), None);
        tokens.add("idle", None, None);
        tokens.add("expired", Some(Scope::Write), Some("2026-01-01T00:00:00Z"));
        tokens.add("revoked", Some(Scope::Write), None);
        tokens
    }

    pub(crate) fn add(
        &mut self,
        name: &'static str,
        scopes: impl IntoIterator<Item = Scope>,
        expires: Option<&str>,
    ) {
        let secret = TokenSecret::random().unwrap();
        let scopes = scopes.into_iter().collect();
        let (created, expires) = (instant(NOW), expires.map(instant));
        let entry = TokenEntry::new(name, &secret, scopes, created, expires).unwrap();
        append(&self.path, &entry).unwrap();
        self.secrets.push((name, secret.text().to_owned()));
    }

    pub(crate) fn flag(&self) -> String {
        format!("--tokens-file={}", self.path.display())
    }

    /// The value of `Authorization` with this token.
    pub(crate) fn bearer(&self, name: &str) -> String {
        let mut secrets = self.secrets.iter();
        let (_, secret) = secrets.find(|(known, _)| *known == name).unwrap();
        format!("Bearer {secret}")
    }

    /// Changes the text of the file.
    fn edit(&self, edit: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.path).unwrap();
        std::fs::write(&self.path, edit(text)).unwrap();
    }

    /// Removes the line of a token.
    fn revoke(&self, name: &str) {
        self.edit(|text| {
            let lines = text.split_inclusive('\n');
            lines.filter(|line| !line.starts_with(name)).collect()
        });
    }
}

/// A subscription that is rejected immediately for its cursor if the caller is admitted.
const SUBSCRIPTION: &str = r#"subscription { articleChanges(after: "no cursor") { cursor } }"#;
/// A mutation that finds nothing to delete.
const MUTATION: &str =
    r#"mutation { deleteArticle(id: "019a0000-0000-7000-8000-000000000000") { id } }"#;
const QUERY: &str = "{ articles(limit: 1) { id } }";
