//! `broadsheet token`: creates, lists and checks static tokens.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::{Done, print};
use crate::admission::Scope;
use crate::admission::tokens::{self, TokenEntry, TokenSecret};
use crate::clock::{Clock, Timestamp, TimestampError};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token: prints the secret, which is not stored, and the line for TOKENS_FILE
    New {
        /// Its name in the log: letters, digits, - and _
        name: String,

        /// Its scopes, separated by commas: articles:read, articles:write (which includes reading)
        #[arg(long, required = true, value_delimiter = ',', value_name = "SCOPES")]
        scopes: Vec<Scope>,

        /// When it expires, such as 90days, or never
        #[arg(long, default_value = "90days", value_parser = parse_expiry, value_name = "TIME")]
        expires: Expiry,

        /// Append the line to this file, which is created if necessary, instead of printing it
        #[arg(long, value_name = "PATH")]
        append: Option<PathBuf>,
    },
    /// List the tokens of a file, without their secrets
    List {
        /// The file
        #[arg(env = "TOKENS_FILE", value_name = "PATH")]
        file: PathBuf,
    },
    /// Describe a token. Reads it from standard input, so that it stays out of the shell's history
    Check {
        /// The token, if it may be in the shell's history
        #[arg(value_name = "TOKEN")]
        token: Option<String>,

        /// A file of static tokens that may contain it
        #[arg(long, env = "TOKENS_FILE", value_name = "PATH")]
        tokens_file: Option<PathBuf>,
    },
}

/// The lifetime of a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expiry {
    After(Duration),
    Never,
}

fn parse_expiry(text: &str) -> Result<Expiry, humantime::DurationError> {
    match text {
        "never" => Ok(Expiry::Never),
        time => humantime::parse_duration(time).map(Expiry::After),
    }
}

pub(super) fn run(command: TokenCommand) -> Done {
    let clock = Clock::system();
    match command {
        TokenCommand::New {
            name,
            scopes,
            expires,
            append,
        } => {
            let now = clock.now();
            let secret = TokenSecret::random()?;
            let scopes = scopes.into_iter().collect();
            let token = TokenEntry::new(&name, &secret, scopes, now, end(now, expires)?)?;
            let Some(path) = append else {
                return print(&format!("{}\n{token}\n", secret.text()));
            };
            // First the file: a secret that no file lists would be useless.
            tokens::append(&path, &token)?;
            print(&format!("{}\n", secret.text()))
        }
        TokenCommand::List { file } => {
            let now = clock.now();
            let lines = tokens::entries(&file)?;
            print(
                &lines
                    .iter()
                    .map(|entry| line(entry, now))
                    .collect::<String>(),
            )
        }
        TokenCommand::Check { token, tokens_file } => {
            let token = token.map_or_else(read_token, Ok)?;
            let known = tokens_file.as_deref().map(tokens::entries).transpose()?;
            print(&check(token.trim(), known, clock.now())?)
        }
    }
}

/// Much more than the length of a token.
const MAX_INPUT_BYTES: u64 = 16 * 1024;

fn read_token() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_INPUT_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn end(now: Timestamp, expires: Expiry) -> Result<Option<Timestamp>, TimestampError> {
    let Expiry::After(time) = expires else {
        return Ok(None);
    };
    i64::try_from(time.as_micros())
        .ok()
        .and_then(|micros| now.as_micros().checked_add(micros))
        .and_then(Timestamp::from_micros)
        .ok_or(TimestampError::Range)
        .map(Some)
}

/// A line for a token, its fields separated by tabs.
fn line(entry: &TokenEntry, now: Timestamp) -> String {
    let TokenEntry {
        name,
        scopes,
        created,
        expires,
        ..
    } = entry;
    let end = match expires {
        None => "never expires".to_owned(),
        Some(end) if now >= *end => format!("expired {end}"),
        Some(end) => format!("expires {end}"),
    };
    format!("{name}\t{scopes}\tcreated {created}\t{end}\n")
}

/// Describes a token without repeating it. The error says why it is not valid.
fn check(
    token: &str,
    known: Option<Vec<TokenEntry>>,
    now: Timestamp,
) -> Result<String, &'static str> {
    let is_file_named = known.is_some();
    let entry = known.into_iter().flatten().find(|entry| entry.is_of(token));
    match entry {
        Some(entry) if entry.expires.is_some_and(|end| now >= end) => Err("the token has expired"),
        Some(entry) => Ok(line(&entry, now)),
        None if !tokens::is_well_formed(token) => {
            Err("this is not a static token, or it was mistyped: its format or its checksum is wrong")
        }
        None if is_file_named => Err("the token is well formed, but it is not in the file"),
        None => Ok(
            "The token is well formed. To identify it, name its file: --tokens-file, or TOKENS_FILE.\n"
                .to_owned(),
        ),
    }
}
