//! Settings: flags and environment variables, read once at start, in one struct for each part that uses one.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use http::HeaderValue;
use humantime::parse_duration;

use crate::store::postgres::{ConnectDefaults, ConnectOptions, UrlError, session};

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

    /// Connections that are opened at start and kept (PostgreSQL)
    #[arg(
        long = "db-min-size",
        env = "DB_MIN_SIZE",
        default_value_t = 1,
        value_name = "COUNT"
    )]
    pub min_size: usize,

    /// Connections at the most; on SQLite, readers at the most
    #[arg(
        long = "db-max-size",
        env = "DB_MAX_SIZE",
        default_value = "10",
        value_name = "COUNT"
    )]
    pub max_size: NonZeroUsize,

    /// Roll all writes back when the server stops: a sandbox on one connection, not for a database that others use
    #[arg(long = "db-force-roll-back", env = "DB_FORCE_ROLL_BACK", default_value_t = false, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub force_roll_back: bool,

    /// How long the server waits at start for a database that is not there yet
    #[arg(long = "db-start-timeout", env = "DB_START_TIMEOUT", default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    pub start_timeout: Duration,

    /// How long opening a connection may take
    #[arg(long = "db-connect-timeout", env = "DB_CONNECT_TIMEOUT", default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub connect_timeout: Duration,

    /// How long a request waits for a free connection
    #[arg(long = "db-wait-timeout", env = "DB_WAIT_TIMEOUT", default_value = "3s", value_parser = parse_duration, value_name = "TIME")]
    pub wait_timeout: Duration,

    /// How long a statement may take (PostgreSQL)
    #[arg(long = "db-statement-timeout", env = "DB_STATEMENT_TIMEOUT", default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub statement_timeout: Duration,

    /// How long a statement waits for a lock (PostgreSQL)
    #[arg(long = "db-lock-timeout", env = "DB_LOCK_TIMEOUT", default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub lock_timeout: Duration,
}

impl DatabaseSettings {
    /// The connections kept, which cannot be more than there may be.
    pub fn min_size(&self) -> usize {
        self.min_size.min(self.max_size.get())
    }

    /// How connections to a PostgreSQL database are opened.
    ///
    /// # Errors
    /// The URL or one of its parameters is not understood.
    pub fn connect_options(&self, url: &str) -> Result<ConnectOptions, UrlError> {
        ConnectOptions::parse(
            url,
            &ConnectDefaults {
                application_name: Some("broadsheet".to_owned()),
                statement_timeout: Some(self.statement_timeout),
                lock_timeout: Some(self.lock_timeout),
                // Between the statements of a transaction nothing is waited for, so that one which rests has been cut
                // off from us, and holds its locks against all others.
                idle_in_transaction_session_timeout: Some(Duration::from_secs(4)),
                settings: session::SETTINGS,
                connect_timeout: Some(self.connect_timeout),
                keepalives_idle: Some(Duration::from_secs(30)),
                keepalives_interval: Some(Duration::from_secs(5)),
                keepalives_retries: Some(3),
                tcp_user_timeout: Some(Duration::from_secs(30)),
                root_certificates: None,
            },
        )
    }
}

/// A database, told from its URL.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(SqliteLocation),
    /// The whole URL, which may hold a password.
    Postgres(String),
}

/// Where an SQLite database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteLocation {
    File(PathBuf),
    /// A temporary file that is removed in the end.
    Memory,
}

/// A database URL of no known kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected sqlite:PATH, sqlite::memory:, postgres://… or postgresql://…")]
pub struct UnknownDatabase;

impl FromStr for DatabaseUrl {
    type Err = UnknownDatabase;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        match url.strip_prefix("sqlite:") {
            Some(":memory:" | "//:memory:") => Ok(Self::Sqlite(SqliteLocation::Memory)),
            Some(path) => match path.strip_prefix("//").unwrap_or(path) {
                "" => Err(UnknownDatabase),
                path => Ok(Self::Sqlite(SqliteLocation::File(path.into()))),
            },
            None => Err(UnknownDatabase),
        }
    }
}

/// Reads a URL. clap's own error would repeat it, with the password that may be in it.
#[derive(Clone)]
struct DatabaseUrlParser;

impl TypedValueParser for DatabaseUrlParser {
    type Value = DatabaseUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<DatabaseUrl, clap::Error> {
        let url = value.to_str().unwrap_or_default();
        url.parse().map_err(|error: UnknownDatabase| {
            let message = format!("the database URL is not understood: {error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(location) => f.debug_tuple("Sqlite").field(location).finish(),
            Self::Postgres(_) => f.write_str("Postgres(…)"),
        }
    }
}

/// Where the server listens, and what it says of itself.
#[derive(Debug, Clone, Args)]
pub struct ServerSettings {
    /// The address to listen on; 0.0.0.0 for all
    #[arg(
        long,
        env = "HOST",
        default_value = "127.0.0.1",
        value_name = "ADDRESS"
    )]
    pub host: IpAddr,

    /// The port to listen on; 0 for any that is free
    #[arg(long, env = "PORT", default_value_t = 8000)]
    pub port: u16,

    /// The name of the service, on its page and in its logs
    #[arg(
        long,
        env = "SERVICE_NAME",
        default_value = "Broadsheet",
        value_name = "NAME"
    )]
    pub service_name: String,

    /// A sentence about the service, on its page
    #[arg(
        long,
        env = "DESCRIPTION",
        default_value = "A GraphQL API for articles",
        value_name = "TEXT"
    )]
    pub description: String,

    /// How long a query may take, and the body of a request to arrive
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "30s", value_parser = parse_duration, value_name = "TIME")]
    pub request_timeout: Duration,

    /// How long the server, told to stop, waits for what is under way
    #[arg(long, env = "STOP_TIMEOUT", default_value = "30s", value_parser = parse_duration, value_name = "TIME")]
    pub stop_timeout: Duration,

    /// How long changes stay in the feed
    #[arg(long, env = "CHANGE_RETENTION", default_value = "7days", value_parser = parse_duration, value_name = "TIME")]
    pub change_retention: Duration,

    /// The largest body of a request, in bytes, after decompression
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = 2 * 1024 * 1024, value_name = "BYTES")]
    pub max_body_bytes: usize,

    /// Origins, such as <https://example.com>, whose pages may read the answers and open WebSockets, separated by commas; * for all [default: none but this server's own]
    #[arg(
        long,
        env = "CORS_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGINS"
    )]
    pub cors_origins: Vec<String>,

    /// Cache-Control of a query by GET that succeeds: for a CDN in front, such as "public, max-age=5, stale-while-revalidate=30". Answers to a request with a token stay private, errors are never stored
    #[arg(
        long,
        env = "CACHE_CONTROL",
        default_value = "private, no-cache",
        value_name = "DIRECTIVES"
    )]
    pub cache_control: HeaderValue,

    #[command(flatten)]
    pub persisted: PersistedSettings,

    #[command(flatten)]
    pub limits: LimitSettings,
}

/// Documents that requests name instead of sending.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Persisted operations")]
pub struct PersistedSettings {
    /// Memory for automatic persisted queries, in bytes; 0 turns them off
    #[arg(long, env = "PERSISTED_QUERIES_BYTES", default_value_t = 8 * 1024 * 1024, value_name = "BYTES")]
    pub persisted_queries_bytes: usize,

    /// A manifest of trusted documents, as graphql-codegen, Relay or Apollo's tools write it; SIGHUP reads it again
    #[arg(long, env = "TRUSTED_DOCUMENTS", value_name = "PATH")]
    pub trusted_documents: Option<PathBuf>,

    /// What the manifest decides [default: prefer where there is one, else off]
    #[arg(
        long,
        env = "TRUSTED_DOCUMENTS_MODE",
        value_enum,
        value_name = "MODE",
        hide_default_value = true
    )]
    pub trusted_documents_mode: Option<TrustedMode>,
}

impl PersistedSettings {
    /// The mode that is in force.
    pub fn mode(&self) -> TrustedMode {
        match (self.trusted_documents_mode, &self.trusted_documents) {
            (Some(mode), _) => mode,
            (None, Some(_)) => TrustedMode::Prefer,
            (None, None) => TrustedMode::Off,
        }
    }
}

/// What a manifest of trusted documents decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrustedMode {
    /// Nothing: it is not read
    Off,
    /// Its documents can be asked for by their ids; any other document is served too
    Prefer,
    /// Nothing but its documents is served
    Only,
}

/// How large documents and filters may be; the same on every transport.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Tokens of a document
    #[arg(
        long,
        env = "MAX_TOKENS",
        default_value_t = 15_000,
        value_name = "COUNT"
    )]
    pub max_tokens: usize,

    /// Nesting of brackets in a document
    #[arg(long, env = "MAX_NESTING", default_value_t = 64, value_name = "COUNT")]
    pub max_nesting: usize,

    /// Selections of a document after its fragments are expanded
    #[arg(
        long,
        env = "MAX_SELECTIONS",
        default_value_t = 5_000,
        value_name = "COUNT"
    )]
    pub max_selections: usize,

    /// Depth of the fields of an operation, introspection exempt
    #[arg(long, env = "MAX_DEPTH", default_value_t = 16, value_name = "COUNT")]
    pub max_depth: usize,

    /// Aliases of an operation
    #[arg(long, env = "MAX_ALIASES", default_value_t = 50, value_name = "COUNT")]
    pub max_aliases: usize,

    /// Fields at the root of an operation
    #[arg(
        long,
        env = "MAX_ROOT_FIELDS",
        default_value_t = 50,
        value_name = "COUNT"
    )]
    pub max_root_fields: usize,

    /// Directives on one place
    #[arg(
        long,
        env = "MAX_DIRECTIVES",
        default_value_t = 10,
        value_name = "COUNT"
    )]
    pub max_directives: usize,

    /// Complexity of an operation: 1 a field, those of a list times the size of its page
    #[arg(
        long,
        env = "MAX_COMPLEXITY",
        default_value_t = 20_000,
        value_name = "COUNT"
    )]
    pub max_complexity: u64,

    /// Conditions of a filter
    #[arg(
        long,
        env = "MAX_FILTER_CONDITIONS",
        default_value_t = 200,
        value_name = "COUNT"
    )]
    pub max_filter_conditions: usize,

    /// Values of a list in a filter
    #[arg(
        long,
        env = "MAX_FILTER_VALUES",
        default_value_t = 1_000,
        value_name = "COUNT"
    )]
    pub max_filter_values: usize,

    /// Nesting of and, or and not in a filter
    #[arg(
        long,
        env = "MAX_FILTER_NESTING",
        default_value_t = 10,
        value_name = "COUNT"
    )]
    pub max_filter_nesting: usize,

    /// Memory for documents that were parsed, in bytes; an eighth as much again is for requests that repeat
    #[arg(long, env = "DOCUMENT_CACHE_BYTES", default_value_t = 32 * 1024 * 1024, value_name = "BYTES")]
    pub document_cache_bytes: usize,

    /// Whether clients may ask for the schema
    #[arg(long, env = "INTROSPECTION", default_value_t = true, value_name = "BOOL", action = clap::ArgAction::Set)]
    pub introspection: bool,
}

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// Log in detail what Broadsheet does: for development
    #[arg(long, env = "DEBUG", default_value_t = false, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", global = true)]
    pub debug: bool,

    /// What to log, such as info, or warn,broadsheet=debug [default: info, with --debug broadsheet=debug,info]
    #[arg(long, env = "LOG", value_name = "FILTER", global = true)]
    pub log: Option<String>,

    /// The form of the log's lines
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT", global = true)]
    pub log_format: LogFormat,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: an object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_told_from_its_url() {
        let file = |path: &str| Ok(DatabaseUrl::Sqlite(SqliteLocation::File(path.into())));
        assert_eq!("sqlite:a.db".parse(), file("a.db"));
        assert_eq!("sqlite:///var/a.db".parse(), file("/var/a.db"));
        assert_eq!(
            "sqlite::memory:".parse(),
            Ok(DatabaseUrl::Sqlite(SqliteLocation::Memory))
        );
        assert_eq!(
            "postgres://h/d".parse(),
            Ok(DatabaseUrl::Postgres("postgres://h/d".to_owned()))
        );
        for wrong in ["", "sqlite:", "mysql://h/d", "a.db", "postgres:h"] {
            assert_eq!(
                wrong.parse::<DatabaseUrl>(),
                Err(UnknownDatabase),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url: DatabaseUrl = "postgres://u:secret@h/d".parse().unwrap();
        assert_eq!(format!("{url:?}"), "Postgres(…)");
    }
}
