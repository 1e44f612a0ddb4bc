//! The file of the static tokens: reads it, and appends a line.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use toml::value::Datetime;

use super::secret::{PREFIX, TokenSecret};
use crate::caller::{Scope, Scopes};
use crate::digest::Digest;
use crate::file::{self, FileError, Problem};
use broadsheet_articles::clock::Timestamp;

/// The maximum length of a token's name.
const MAX_NAME_BYTES: usize = 64;

/// A token as the file represents it.
#[derive(Clone, Debug)]
pub struct TokenEntry {
    /// Its name in the log and in metrics.
    pub name: String,
    pub(super) sha256: Digest,
    /// What its holder may do.
    pub scopes: Scopes,
    /// When it was created.
    pub created: Timestamp,
    /// When it expires, if it does.
    pub expires: Option<Timestamp>,
}

impl TokenEntry {
    /// Describes a new token.
    ///
    /// # Errors
    /// The name has characters other than letters, digits, `-` and `_`, is too long, or looks like a secret.
    pub fn new(
        name: &str,
        secret: &TokenSecret,
        scopes: Scopes,
        created: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<Self, InvalidName> {
        Ok(Self {
            name: check_name(name)?,
            sha256: secret.digest(),
            scopes,
            created,
            expires,
        })
    }

    /// Whether this entry is for that token.
    pub fn is_of(&self, token: &str) -> bool {
        self.sha256 == Digest::of(token)
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "{ sha256, scopes, created, expires }"
)]
struct Line {
    sha256: String,
    scopes: Vec<String>,
    created: Datetime,
    expires: Option<Datetime>,
}

/// The tokens of a file, by name.
///
/// # Errors
/// The file cannot be read, other users may read it, or a line is invalid.
pub fn entries(path: &Path) -> Result<Vec<TokenEntry>, FileError> {
    parse(&file::read_private(path)?).map_err(|problem| problem.of(path))
}

fn parse(text: &str) -> Result<Vec<TokenEntry>, Problem> {
    let lines: BTreeMap<String, Line> =
        toml::from_str(text).map_err(|error| Problem::toml(&error, text))?;
    let mut digests = HashSet::new();
    lines
        .into_iter()
        .map(|(name, line)| {
            let entry = entry(&name, &line).and_then(|entry| match digests.insert(entry.sha256) {
                true => Ok(entry),
                false => Err("it is also there under another name".to_owned()),
            });
            // The operator may have put the secret in the place of the name.
            let shown = match name.starts_with(PREFIX) {
                true => "bs_…",
                false => &name,
            };
            entry.map_err(|problem| Problem::Content(format!("the token {shown:?}: {problem}")))
        })
        .collect()
}

fn entry(name: &str, line: &Line) -> Result<TokenEntry, String> {
    let scopes = line.scopes.iter().map(|scope| scope.parse::<Scope>());
    let instant = |field: &str, value: &Datetime| {
        Timestamp::from_str(&value.to_string()).map_err(|error| format!("{field}: {error}"))
    };
    Ok(TokenEntry {
        name: check_name(name).map_err(|error| error.to_string())?,
        sha256: line
            .sha256
            .parse()
            .map_err(|error| format!("sha256: {error}"))?,
        scopes: scopes
            .collect::<Result<_, _>>()
            .map_err(|error| format!("scopes: {error}"))?,
        created: instant("created", &line.created)?,
        expires: line
            .expires
            .as_ref()
            .map(|value| instant("expires", value))
            .transpose()?,
    })
}

/// A name that a token cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token's name has 1 to {MAX_NAME_BYTES} letters, digits, - and _, and does not begin with {PREFIX}"
)]
pub struct InvalidName;

fn check_name(name: &str) -> Result<String, InvalidName> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed);
    match is_name && !name.starts_with(PREFIX) {
        true => Ok(name.to_owned()),
        false => Err(InvalidName),
    }
}

impl fmt::Display for TokenEntry {
    /// The line of the file, without its line break. Times are rounded to seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, sha256, .. } = self;
        let scopes: Vec<_> = self.scopes.iter().map(Scope::name).collect();
        let created = seconds(self.created);
        write!(
            f,
            r#"{name} = {{ sha256 = "{sha256}", scopes = {scopes:?}, created = {created}"#
        )?;
        match self.expires {
            None => f.write_str(" }"),
            Some(expires) => write!(f, ", expires = {} }}", seconds(expires)),
        }
    }
}

/// A timestamp without microseconds, which are of no interest in this file.
fn seconds(instant: Timestamp) -> String {
    let text = instant.to_string();
    format!("{}Z", text.split('.').next().unwrap_or_default())
}

/// Why a token was not added to a file.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the file already has a token of that name: choose another, or delete its line")]
    NameTaken,
    #[error("the file cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Appends a line to a file. Creates the file, readable by its owner only, if it does not exist.
///
/// # Errors
/// The file is not a file of tokens, already has that name, or cannot be written.
pub fn append(path: &Path, token: &TokenEntry) -> Result<(), AppendError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let text = file::read_private(path)?;
    let known = parse(&text).map_err(|problem| problem.of(path))?;
    if known.iter().any(|entry| entry.name == token.name) {
        return Err(AppendError::NameTaken);
    }
    let break_before = match text.is_empty() || text.ends_with('\n') {
        true => "",
        false => "\n",
    };
    // One write, so that a server that reads the file at this moment sees either the whole line or none of it.
    Ok(file.write_all(format!("{break_before}{token}\n").as_bytes())?)
}
