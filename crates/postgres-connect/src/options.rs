//! Connects to PostgreSQL: a URL becomes [`ConnectOptions`], and these become connections, encrypted as the
//! URL asks.
//!
//! Nothing here prints a password: neither the options nor an error.

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tokio_postgres::config::Host;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection::PgConnection;
use crate::defaults::{self, ConnectDefaults};
use crate::failure::{ConnectError, may_succeed_unencrypted};
use crate::tls::{self, RootCertificates, SslMode};
use crate::url::{Parts, UrlError};

/// How much longer than PostgreSQL's own time limit for a statement we wait for its response.
const GRACE: Duration = Duration::from_secs(2);

/// Queries PostgreSQL's time limit for statements, in milliseconds.
const STATEMENT_TIMEOUT: &str =
    "SELECT (extract(epoch FROM current_setting('statement_timeout')::interval) * 1000)::bigint";

/// Where to connect, as whom, and how.
#[derive(Clone)]
pub struct ConnectOptions {
    config: Config,
    ssl_mode: SslMode,
    tls: MakeRustlsConnect,
    /// The time limit for a response where PostgreSQL itself has no limit for statements.
    limit: Option<Duration>,
}

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

impl ConnectOptions {
    /// Reads a `postgres://` or `postgresql://` URL, and the certificates that it or the defaults name.
    ///
    /// `sslmode` is `prefer` where the URL does not say, or `verify-full` with `sslrootcert=system`.
    /// `options` of the URL stand after those of the defaults, so that they win.
    ///
    /// # Errors
    ///
    /// Where the URL cannot be understood or its certificates cannot be read. The text says what would be
    /// accepted, and repeats no value.
    pub fn parse(url: &str, defaults: &ConnectDefaults) -> Result<Self, UrlError> {
        let mut parts = Parts::parse(url)?;
        let ssl_mode = ssl_mode(&parts, defaults)?;
        // A URL may turn the limit off. If a pooler drops our options, this limit still applies.
        let limit = match parts.config.get_options() {
            Some(options) if options.contains("statement_timeout") => None,
            _ => defaults.statement_timeout.filter(|limit| !limit.is_zero()),
        };
        defaults::add(&mut parts, defaults);
        let roots = parts
            .root_certificates
            .as_ref()
            .or(defaults.root_certificates.as_ref());
        let tls = tls::connector(ssl_mode, roots)?;
        let mut config = parts.config;
        config.ssl_mode(match ssl_mode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                tokio_postgres::config::SslMode::Require
            }
        });
        Ok(Self {
            config,
            ssl_mode,
            tls,
            limit,
        })
    }

    /// How the connections are encrypted: [`SslMode::Disable`] also where there are only Unix sockets.
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// Opens a connection: to the first host, in the URL's order, that lets us in.
    ///
    /// `connect_timeout` is for the socket of one address. All the rest, the handshake and the password,
    /// has to be done within twice that time for each host.
    ///
    /// The connection waits for an answer for two seconds longer than PostgreSQL lets a statement take.
    ///
    /// # Errors
    ///
    /// With what was connected to and the whole chain of causes.
    pub async fn connect(&self) -> Result<PgConnection, ConnectError> {
        let opened = match self.open(&self.config).await {
            Err(error) if self.ssl_mode == SslMode::Prefer && may_succeed_unencrypted(&*error) => {
                let mut plain = self.config.clone();
                plain.ssl_mode(tokio_postgres::config::SslMode::Disable);
                // If a plain connection is rejected as well, the reason why TLS failed is more useful.
                self.open(&plain).await.map_err(|_| error)
            }
            opened => opened,
        };
        let failed = |error: &(dyn Error + Send + Sync + 'static)| ConnectError::new(self, error);
        let (client, connection) = opened.map_err(|error| failed(&*error))?;
        let mut connection = PgConnection::new(client, connection, self.open_timeout());
        let row = connection.first_row(STATEMENT_TIMEOUT).await;
        let row = row.map_err(|error| failed(&error))?;
        let milliseconds = row.first().and_then(|text| text.as_ref()?.parse().ok());
        let limit = match milliseconds {
            None | Some(0) => self.limit,
            Some(milliseconds) => Some(Duration::from_millis(milliseconds)),
        };
        connection.limit(limit.map(|limit| limit.saturating_add(GRACE)));
        Ok(connection)
    }

    /// The time limit for opening a connection.
    fn open_timeout(&self) -> Option<Duration> {
        let timeout = self.config.get_connect_timeout()?;
        let hosts = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX);
        Some(timeout.saturating_mul(2).saturating_mul(hosts))
    }

    async fn open(
        &self,
        config: &Config,
    ) -> Result<(Client, Connection<Socket, TlsStream>), Box<dyn Error + Send + Sync>> {
        let connect = config.connect(self.tls.clone());
        // A server that accepts the connection and then sends nothing would otherwise block us for ever.
        let Some(limit) = self.open_timeout() else {
            return Ok(connect.await?);
        };
        Ok(tokio::time::timeout(limit, connect)
            .await
            .map_err(|_| format!("no answer within {limit:?}"))??)
    }
}

/// `postgres://user@host:port/database`, with all hosts, without password or parameters.
impl fmt::Display for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            if index > 0 {
                write!(f, ",")?;
            }
            match host {
                Host::Tcp(name) if name.contains(':') => write!(f, "[{name}]")?,
                Host::Tcp(name) => write!(f, "{name}")?,
                // As it can stand in a URL.
                Host::Unix(path) => write!(f, "{}", path.to_string_lossy().replace('/', "%2F"))?,
            }
            let port = ports.get(index).or(ports.first()).copied();
            write!(f, ":{}", port.unwrap_or(5432))?;
        }
        match self.config.get_dbname().or(self.config.get_user()) {
            Some(database) => write!(f, "/{database}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("to", &format_args!("{self}"))
            .field("ssl_mode", &self.ssl_mode)
            .finish_non_exhaustive()
    }
}

/// The effective mode, following libpq's rules for combinations.
fn ssl_mode(parts: &Parts, defaults: &ConnectDefaults) -> Result<SslMode, UrlError> {
    if parts.only_sockets() {
        return Ok(SslMode::Disable);
    }
    let roots = parts
        .root_certificates
        .as_ref()
        .or(defaults.root_certificates.as_ref());
    let system = roots == Some(&RootCertificates::System);
    let mode = parts.ssl_mode.unwrap_or(if system {
        SslMode::VerifyFull
    } else {
        SslMode::Prefer
    });
    // Anyone can get a certificate from a publicly trusted authority, so the host name must be verified.
    if system && mode != SslMode::VerifyFull {
        return Err(UrlError::WeakMode {
            name: "sslrootcert=system",
            accepted: "verify-full",
        });
    }
    let direct = tokio_postgres::config::SslNegotiation::Direct;
    if parts.config.get_ssl_negotiation() == direct && mode < SslMode::Require {
        return Err(UrlError::WeakMode {
            name: "sslnegotiation=direct",
            accepted: "require, verify-ca or verify-full",
        });
    }
    if parts.has_sockets() && mode >= SslMode::Require {
        return Err(UrlError::MixedHosts);
    }
    Ok(mode)
}
