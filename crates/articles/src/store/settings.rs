//! Which database, and how it is used.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::database_url::{DatabaseUrl, DatabaseUrlParser};

/// Which database, and how many connections to it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// sqlite:PATH, sqlite::memory: or `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`
    #[arg(
        long = "database-url",
        env = "DATABASE_URL",
        hide_env_values = true,
        value_parser = DatabaseUrlParser,
        default_value = "sqlite:broadsheet.db",
        value_name = "URL"
    )]
    pub url: DatabaseUrl,

    /// Connections that are opened at start and kept open (PostgreSQL)
    #[arg(
        long = "db-min-size",
        env = "DB_MIN_SIZE",
        default_value_t = 1,
        value_name = "COUNT"
    )]
    pub min_size: usize,

    /// Maximum number of connections; on SQLite, of those that read
    #[arg(
        long = "db-max-size",
        env = "DB_MAX_SIZE",
        default_value = "10",
        value_parser = connections,
        value_name = "COUNT"
    )]
    pub max_size: NonZeroUsize,

    /// Roll all writes back when the server stops: a sandbox on one connection, not for a database that others use
    #[arg(long = "db-force-roll-back", env = "DB_FORCE_ROLL_BACK", default_value_t = false, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub force_roll_back: bool,

    /// How long the server waits at start for a database that is not available yet
    #[arg(long = "db-start-timeout", env = "DB_START_TIMEOUT", default_value = "60s", value_parser = time, value_name = "TIME")]
    pub start_timeout: Duration,

    /// Time limit for opening a connection
    #[arg(long = "db-connect-timeout", env = "DB_CONNECT_TIMEOUT", default_value = "5s", value_parser = nonzero_time, value_name = "TIME")]
    pub connect_timeout: Duration,

    /// How long a request waits for a free connection
    #[arg(long = "db-wait-timeout", env = "DB_WAIT_TIMEOUT", default_value = "3s", value_parser = nonzero_time, value_name = "TIME")]
    pub wait_timeout: Duration,

    /// Time limit for a statement; 0s for no limit
    #[arg(long = "db-statement-timeout", env = "DB_STATEMENT_TIMEOUT", default_value = "10s", value_parser = time, value_name = "TIME")]
    pub statement_timeout: Duration,

    /// How long a statement waits for a lock (PostgreSQL)
    #[arg(long = "db-lock-timeout", env = "DB_LOCK_TIMEOUT", default_value = "5s", value_parser = time, value_name = "TIME")]
    pub lock_timeout: Duration,
}

impl DatabaseSettings {
    /// Checks that the settings do not contradict each other.
    ///
    /// # Errors
    /// A sentence that names the contradiction.
    pub fn check(&self) -> Result<(), String> {
        match self.min_size <= self.max_size.get() {
            true => Ok(()),
            false => Err(format!(
                "DB_MIN_SIZE is {} and DB_MAX_SIZE {}: the minimum must not exceed the maximum",
                self.min_size, self.max_size
            )),
        }
    }
}

/// More than any use needs, and small enough to be added to the current time.
const MAX_TIME: Duration = Duration::from_hours(24 * 36_500);

/// Parses a duration such as `5s` or `1m 30s`, which may be zero.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text.trim()).map_err(|error| error.to_string())?;
    match time <= MAX_TIME {
        true => Ok(time),
        false => Err("it is at most 36500 days".to_owned()),
    }
}

/// Parses a duration that must not be zero.
///
/// # Errors
/// As [`time`], and where it is zero.
pub fn nonzero_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("it must be more than 0".to_owned()),
        time => Ok(time),
    }
}

/// A number of connections: at least one, and no more than any database allows.
fn connections(text: &str) -> Result<NonZeroUsize, String> {
    const MAX: usize = 10_000;
    let count: NonZeroUsize = text
        .trim()
        .parse()
        .map_err(|_| format!("expected a number from 1 to {MAX}"))?;
    match count.get() <= MAX {
        true => Ok(count),
        false => Err(format!("expected a number from 1 to {MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_time_limit_is_rejected() {
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert!(nonzero_time("0ms").unwrap_err().contains("more than 0"));
        assert!(time("500years").unwrap_err().contains("36500 days"));
        assert!(time("30").is_err());
    }
}
