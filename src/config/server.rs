//! The settings of the server itself: its addresses, its name, its certificate, its time limits and trusted documents.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use graphql_transports::persisted;
use http::HeaderValue;

use super::limits::{IDEMPOTENCY_HOURS, LimitSettings};
use super::observe::ObserveSettings;
use super::value::{address, at_least_one, host, nonzero_time, number, origin, time};
use crate::admission::settings::AdmissionSettings;
use crate::caller_limits::settings::CallerLimitSettings;

/// The settings of the server itself.
#[derive(Debug, Clone, Args)]
pub struct ServerSettings {
    /// The address to listen on, or localhost; 0.0.0.0 for all
    #[arg(
        long,
        env = "HOST",
        default_value = "127.0.0.1",
        value_parser = address,
        value_name = "ADDRESS"
    )]
    pub host: IpAddr,

    /// The port to listen on; 0 for any free port
    #[arg(long, env = "PORT", default_value_t = 8000)]
    pub port: u16,

    /// Accepted host names, separated by commas, such as api.example.com, or * for any; requests for others get 421 [default: on a loopback address its own names, else any]
    #[arg(
        long,
        env = "ALLOWED_HOSTS",
        value_delimiter = ',',
        value_parser = host,
        value_name = "HOSTS"
    )]
    pub allowed_hosts: Vec<String>,

    /// A separate address for /health/* and /metrics, such as 127.0.0.1:9100; /metrics is then served only there
    #[arg(long, env = "ADMIN_ADDRESS", value_name = "ADDRESS:PORT")]
    pub admin_address: Option<SocketAddr>,

    /// The name of the service, for its page and its logs
    #[arg(
        long,
        env = "SERVICE_NAME",
        default_value = "Broadsheet",
        value_name = "NAME"
    )]
    pub service_name: String,

    /// A sentence about the service, for its page
    #[arg(
        long,
        env = "DESCRIPTION",
        default_value = "A GraphQL API for articles",
        value_name = "TEXT"
    )]
    pub description: String,

    /// Time limit for a query, and for receiving the body of a request
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "30s", value_parser = nonzero_time, value_name = "TIME")]
    pub request_timeout: Duration,

    /// Maximum number of concurrent queries, and of concurrent mutations; others wait; 0 for no limit [default: 7 for each connection to the database]
    #[arg(long, env = "MAX_CONCURRENT_OPERATIONS", value_parser = number::<usize>(), value_name = "NUMBER")]
    pub max_concurrent_operations: Option<usize>,

    /// How long an operation waits to be executed before it gets 503
    #[arg(long, env = "OPERATION_WAIT", default_value = "1s", value_parser = nonzero_time, value_name = "TIME")]
    pub operation_wait: Duration,

    /// How long a stopping server waits for requests under way
    #[arg(long, env = "STOP_TIMEOUT", default_value = "30s", value_parser = time, value_name = "TIME")]
    pub stop_timeout: Duration,

    /// A connection whose client accepts no bytes for this long is closed; 0s for no limit
    #[arg(long, env = "WRITE_TIMEOUT", default_value = "60s", value_parser = time, value_name = "TIME")]
    pub write_timeout: Duration,

    /// How long changes are kept in the feed
    #[arg(long, env = "CHANGE_RETENTION", default_value = "7days", value_parser = nonzero_time, value_name = "TIME")]
    pub change_retention: Duration,

    /// How long the result of a mutation with an Idempotency-Key is kept
    #[arg(long, env = "IDEMPOTENCY_RETENTION", default_value = format!("{IDEMPOTENCY_HOURS}h"), value_parser = nonzero_time, value_name = "TIME")]
    pub idempotency_retention: Duration,

    /// Maximum size of a request body in bytes, after decompression
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = 2 * 1024 * 1024, value_parser = at_least_one::<usize>(), value_name = "BYTES")]
    pub max_body_bytes: usize,

    /// Origins, such as <https://example.com>, whose pages may read responses and open WebSockets, separated by commas; * for all [default: only this server's own]
    #[arg(
        long,
        env = "CORS_ORIGINS",
        value_delimiter = ',',
        value_parser = origin,
        value_name = "ORIGINS"
    )]
    pub cors_origins: Vec<String>,

    /// Cache-Control of successful queries by GET; for a CDN in front, such as "public, max-age=5, stale-while-revalidate=30". Responses to requests with a token stay private, and errors are never cached
    #[arg(
        long,
        env = "CACHE_CONTROL",
        default_value = "private, no-cache",
        value_name = "DIRECTIVES"
    )]
    pub cache_control: HeaderValue,

    #[command(flatten)]
    pub tls: TlsSettings,

    #[command(flatten)]
    pub admission: AdmissionSettings,

    #[command(flatten)]
    pub caller_limits: CallerLimitSettings,

    #[command(flatten)]
    pub persisted: PersistedSettings,

    #[command(flatten)]
    pub limits: LimitSettings,

    #[command(flatten)]
    pub observe: ObserveSettings,
}

/// The certificate of the server.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsSettings {
    /// A certificate and its intermediates in PEM format: serves HTTPS (HTTP/2 and HTTP/1.1) instead of HTTP; read again on SIGHUP and when the file changes
    #[arg(long, env = "TLS_CERT", requires = "tls_key", value_name = "PATH")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate in PEM format, in a file that others cannot read
    #[arg(long, env = "TLS_KEY", requires = "tls_cert", value_name = "PATH")]
    pub tls_key: Option<PathBuf>,
}

/// Documents that clients name instead of sending.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Persisted operations")]
pub struct PersistedSettings {
    /// Memory for automatic persisted queries, in bytes; 0 turns them off
    #[arg(long, env = "PERSISTED_QUERIES_BYTES", default_value_t = 8 * 1024 * 1024, value_parser = number::<usize>(), value_name = "BYTES")]
    pub persisted_queries_bytes: usize,

    /// A manifest of trusted documents, as written by graphql-codegen, Relay or Apollo's tools; read again on SIGHUP
    #[arg(long, env = "TRUSTED_DOCUMENTS", value_name = "PATH")]
    pub trusted_documents: Option<PathBuf>,

    /// How the manifest is used [default: prefer if there is one, else off]
    #[arg(
        long,
        env = "TRUSTED_DOCUMENTS_MODE",
        value_enum,
        value_name = "MODE",
        hide_default_value = true
    )]
    pub trusted_documents_mode: Option<TrustedMode>,
}

impl From<&PersistedSettings> for persisted::PersistedSettings {
    fn from(settings: &PersistedSettings) -> Self {
        Self {
            automatic_bytes: settings.persisted_queries_bytes,
            manifest: settings.trusted_documents.clone(),
            mode: match settings.mode() {
                TrustedMode::Off => persisted::TrustedMode::Off,
                TrustedMode::Prefer => persisted::TrustedMode::Prefer,
                TrustedMode::Only => persisted::TrustedMode::Only,
            },
        }
    }
}

impl PersistedSettings {
    /// The effective mode.
    pub fn mode(&self) -> TrustedMode {
        match (self.trusted_documents_mode, &self.trusted_documents) {
            (Some(mode), _) => mode,
            (None, Some(_)) => TrustedMode::Prefer,
            (None, None) => TrustedMode::Off,
        }
    }
}

/// How a manifest of trusted documents is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrustedMode {
    /// It is not read
    Off,
    /// Its documents can be requested by id; other documents are accepted too
    Prefer,
    /// Only its documents are accepted
    Only,
}
