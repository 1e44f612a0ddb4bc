//! The settings of admission: flags, environment variables, and the file of several issuers.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use humantime::parse_duration;
use serde::Deserialize;

use super::file::{self, FileError, Problem};

/// What callers may do.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct AdmissionSettings {
    /// The file of static tokens, as written by `broadsheet token new`; read again on SIGHUP
    #[arg(long, env = "TOKENS_FILE", value_name = "PATH")]
    pub tokens_file: Option<PathBuf>,

    /// Whether callers without a token may read
    #[arg(long, env = "ANONYMOUS_READS", default_value_t = true, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = ArgAction::Set)]
    pub anonymous_reads: bool,

    /// Whether callers without a token may write [default: true on a loopback address with no tokens, no JWTs and anonymous reads, else false]
    #[arg(long, env = "ANONYMOUS_WRITES", value_parser = BoolishValueParser::new(), value_name = "BOOL", action = ArgAction::Set)]
    pub anonymous_writes: Option<bool>,

    #[command(flatten)]
    pub jwt: JwtSettings,
}

/// The issuers whose JWTs are accepted.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "JWTs")]
pub struct JwtSettings {
    /// The issuer that JWTs must name (iss) [default: any, if there is one key set]
    #[arg(long, env = "JWT_ISSUER", value_name = "TEXT")]
    pub jwt_issuer: Option<String>,

    /// Audiences, separated by commas, of which JWTs must name one (aud) [default: any]
    #[arg(
        long,
        env = "JWT_AUDIENCE",
        value_delimiter = ',',
        value_name = "TEXTS"
    )]
    pub jwt_audience: Vec<String>,

    /// The issuer's public keys (JWKS): an HTTPS address, HTTP on a loopback address, or a file, which is read again on SIGHUP
    #[arg(long, env = "JWT_JWKS", value_name = "URL|PATH")]
    pub jwt_jwks: Option<String>,

    /// A secret of 32 bytes or more that is shared with the issuer, instead of public keys (HS256)
    #[arg(
        long,
        env = "JWT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub jwt_secret: Option<SharedSecret>,

    /// A file with that secret, which others must not be able to read; read again on SIGHUP
    #[arg(long, env = "JWT_SECRET_FILE", value_name = "PATH")]
    pub jwt_secret_file: Option<PathBuf>,

    /// The claim that contains the scopes of a JWT, with dots for nested claims [default: scope, scp, scopes and permissions]
    #[arg(long, env = "JWT_SCOPES_CLAIM", value_name = "PATH")]
    pub jwt_scopes_claim: Option<String>,

    /// Tolerated difference between the clocks of issuers and of the server
    #[arg(long, env = "JWT_CLOCK_SKEW", default_value = "30s", value_parser = parse_duration, value_name = "TIME")]
    pub jwt_clock_skew: Duration,

    /// A TOML file with more issuers: `[[issuer]]` with issuer, audience, jwks or `secret_file`, and `scopes_claim`
    #[arg(long, env = "JWT_ISSUERS", value_name = "PATH")]
    pub jwt_issuers: Option<PathBuf>,
}

/// A secret that is never displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(pub(super) String);

impl FromStr for SharedSecret {
    type Err = Infallible;

    fn from_str(secret: &str) -> Result<Self, Infallible> {
        Ok(Self(secret.to_owned()))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}

/// One issuer of JWTs, and what its tokens must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IssuerSettings {
    pub(super) issuer: Option<String>,
    pub(super) audience: Vec<String>,
    pub(super) keys: KeysFrom,
    pub(super) scopes_claim: Option<String>,
}

/// The source of an issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeysFrom {
    Url(String),
    File(PathBuf),
    Secret(SharedSecret),
    SecretFile(PathBuf),
}

/// Settings that contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "JWT_ISSUER, JWT_AUDIENCE and JWT_SCOPES_CLAIM need JWT_JWKS, JWT_SECRET or JWT_SECRET_FILE"
    )]
    NoKeys,
    #[error(
        "of JWT_JWKS, JWT_SECRET and JWT_SECRET_FILE only one can be set: an issuer either signs with a private key or shares a secret"
    )]
    SeveralKeys,
    #[error(
        "with several issuers, each needs its own name: set JWT_ISSUER, and list each issuer once"
    )]
    Names,
    #[error(transparent)]
    File(#[from] FileError),
}

impl JwtSettings {
    /// All issuers; there may be none.
    pub(super) fn issuers(&self) -> Result<Vec<IssuerSettings>, SettingsError> {
        let mut issuers = match &self.jwt_issuers {
            None => Vec::new(),
            Some(path) => issuers_file(path)?,
        };
        issuers.extend(self.single()?);
        let mut names: Vec<_> = issuers.iter().map(|issuer| &issuer.issuer).collect();
        names.sort_unstable();
        let twice = names.windows(2).any(|pair| pair[0] == pair[1]);
        match twice || (names.len() > 1 && names.contains(&&None)) {
            true => Err(SettingsError::Names),
            false => Ok(issuers),
        }
    }

    /// The issuer that the flags describe.
    fn single(&self) -> Result<Option<IssuerSettings>, SettingsError> {
        let keys = match (&self.jwt_jwks, &self.jwt_secret, &self.jwt_secret_file) {
            (Some(place), None, None) => KeysFrom::jwks(place),
            (None, Some(secret), None) => KeysFrom::Secret(secret.clone()),
            (None, None, Some(path)) => KeysFrom::SecretFile(path.clone()),
            (None, None, None) => {
                let unused = self.jwt_issuer.is_some()
                    || !self.jwt_audience.is_empty()
                    || self.jwt_scopes_claim.is_some();
                return match unused {
                    true => Err(SettingsError::NoKeys),
                    false => Ok(None),
                };
            }
            _ => return Err(SettingsError::SeveralKeys),
        };
        Ok(Some(IssuerSettings {
            issuer: self.jwt_issuer.clone(),
            audience: self.jwt_audience.clone(),
            keys,
            scopes_claim: self.jwt_scopes_claim.clone(),
        }))
    }
}

impl KeysFrom {
    fn jwks(place: &str) -> Self {
        match place.contains("://") {
            true => Self::Url(place.to_owned()),
            false => Self::File(place.into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuersFile {
    issuer: Vec<IssuerEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerEntry {
    issuer: String,
    audience: Vec<String>,
    jwks: Option<String>,
    secret_file: Option<PathBuf>,
    scopes_claim: Option<String>,
}

fn issuers_file(path: &Path) -> Result<Vec<IssuerSettings>, FileError> {
    let text = file::read(path)?;
    let IssuersFile { issuer: entries } =
        toml::from_str(&text).map_err(|error| Problem::toml(&error, &text).of(path))?;
    entries
        .into_iter()
        .map(|entry| {
            let keys = match (&entry.jwks, entry.secret_file) {
                (Some(place), None) => KeysFrom::jwks(place),
                (None, Some(path)) => KeysFrom::SecretFile(path),
                _ => {
                    let problem = format!("{}: expected either jwks or secret_file", entry.issuer);
                    return Err(Problem::Content(problem).of(path));
                }
            };
            Ok(IssuerSettings {
                issuer: Some(entry.issuer),
                audience: entry.audience,
                keys,
                scopes_claim: entry.scopes_claim,
            })
        })
        .collect()
}
