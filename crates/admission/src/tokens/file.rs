//! The file of the static tokens: reading it, and adding a line.

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

/// The longest name of a token.
const MAX_NAME_BYTES: usize = 64;

/// A token as its file describes it.
#[derive(Clone, Debug)]
pub struct TokenEntry {
    /// Its name in the log and in metrics.
    pub name: String,
    pub(super) sha256: Digest,
    /// What its holder may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
}

impl TokenEntry {
    /// Describes a new token.
    ///
    /// # Errors
    /// The name has other characters than letters, digits, `-` and `_`, or too many, or looks like a secret.
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

    /// Whether this is the entry of that token.
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
/// It cannot be read, others may read it, or a line is not understood.
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
                false => Err("it is there under another name, too".to_owned()),
            });
            // Somebody may have taken the secret for the name.
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
    /// The line of the file, without its end. Its times are those of whole seconds.
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

/// An instant without the digits of the microseconds, which nobody wants to read.
fn seconds(instant: Timestamp) -> String {
    let text = instant.to_string();
    format!("{}Z", text.split('.').next().unwrap_or_default())
}

/// Why a token was not added to a file.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the file has a token of that name already: choose another, or delete its line")]
    NameTaken,
    #[error("the file cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Adds a line to a file, which is made, for its owner only, where there is none.
///
/// # Errors
/// The file is none of tokens, has that name, or cannot be written.
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
    // In one piece, so that a server that reads it at this moment sees all of the line or nothing.
    Ok(file.write_all(format!("{break_before}{token}\n").as_bytes())?)
}
