//! Connects to PostgreSQL: a URL becomes [`ConnectOptions`], and these become connections, encrypted as the
//! URL asks.
//!
//! diesel-async's own `establish` never encrypts, so its pool is to call [`ConnectOptions::connect`] instead.
//! Nothing here prints a password: neither the options nor an error.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls::{self, RootCertificates, SslMode};
use super::url::{Parts, UrlError};

/// What holds for a connection where its URL says nothing.
///
/// The three session timeouts travel as `options` in the first message, which costs no round trip. `PgBouncer`
/// refuses `options` unless its `ignore_startup_parameters` names it; with all three `None` none are sent.
#[derive(Clone, Debug, Default)]
pub struct ConnectDefaults {
    /// The name that `pg_stat_activity` shows.
    pub application_name: Option<String>,
    /// The longest that one statement may take; zero for no limit.
    pub statement_timeout: Option<Duration>,
    /// The longest that a statement may wait for one lock; zero for no limit.
    pub lock_timeout: Option<Duration>,
    /// How long a transaction may stay idle before the server ends the session; zero for no limit.
    pub idle_in_transaction_session_timeout: Option<Duration>,
    /// The longest that opening one socket may take; see [`ConnectOptions::connect`].
    pub connect_timeout: Option<Duration>,
    /// How long a connection may be silent before the first keepalive; two hours where it is `None`.
    pub keepalives_idle: Option<Duration>,
    /// The certificate authorities to verify with, as `sslrootcert` in the URL.
    pub root_certificates: Option<RootCertificates>,
}

/// Where to connect, as whom, and how.
#[derive(Clone)]
pub struct ConnectOptions {
    config: Config,
    ssl_mode: SslMode,
    tls: MakeRustlsConnect,
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
        add_defaults(&mut parts, defaults);
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
    /// # Errors
    ///
    /// [`ConnectionError::BadConnection`], with what was connected to and the whole chain of causes.
    pub async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let opened = match self.open(&self.config).await {
            Err(error) if self.ssl_mode == SslMode::Prefer && may_succeed_plain(&*error) => {
                let mut plain = self.config.clone();
                plain.ssl_mode(tokio_postgres::config::SslMode::Disable);
                // Where plain is refused as well, the reason why TLS failed tells more.
                self.open(&plain).await.map_err(|_| error)
            }
            opened => opened,
        };
        let (client, connection) = opened.map_err(|error| {
            ConnectionError::BadConnection(format!("cannot connect to {self}: {}", chain(&*error)))
        })?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }

    async fn open(
        &self,
        config: &Config,
    ) -> Result<(Client, Connection<Socket, TlsStream>), Box<dyn Error + Send + Sync>> {
        let connect = config.connect(self.tls.clone());
        let Some(&timeout) = config.get_connect_timeout() else {
            return Ok(connect.await?);
        };
        // A server that takes the connection and then says nothing would otherwise hold us for ever.
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX);
        let limit = timeout.saturating_mul(2).saturating_mul(hosts);
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

/// The mode that holds, after libpq's rules about which go together with what.
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
    // Anybody can have a certificate of an authority that everybody trusts, so its name has to be looked at.
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

fn add_defaults(parts: &mut Parts, defaults: &ConnectDefaults) {
    if let Some(name) = &defaults.application_name
        && !parts.names("application_name")
    {
        parts.config.application_name(name);
    }
    if let Some(timeout) = defaults.connect_timeout
        && !parts.names("connect_timeout")
    {
        parts.config.connect_timeout(timeout);
    }
    if let Some(idle) = defaults.keepalives_idle
        && !parts.names("keepalives_idle")
    {
        parts.config.keepalives_idle(idle);
    }
    let mut options: Vec<String> = [
        ("statement_timeout", defaults.statement_timeout),
        ("lock_timeout", defaults.lock_timeout),
        (
            "idle_in_transaction_session_timeout",
            defaults.idle_in_transaction_session_timeout,
        ),
    ]
    .into_iter()
    .filter_map(|(name, timeout)| Some(format!("-c {name}={}", milliseconds(timeout?))))
    .collect();
    options.extend(parts.config.get_options().map(str::to_owned));
    if !options.is_empty() {
        parts.config.options(options.join(" "));
    }
}

/// As PostgreSQL takes it: an `i32`, where 0 means no limit.
fn milliseconds(timeout: Duration) -> i32 {
    let whole = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    whole.max(i32::from(!timeout.is_zero()))
}

/// Whether a failure has to do with encryption, so that `prefer` goes on without: a handshake that came to
/// nothing, or a server whose `pg_hba.conf` takes no encrypted connections.
fn may_succeed_plain(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<tokio_postgres::Error>() else {
        return false;
    };
    if let Some(code) = error.code() {
        return *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    }
    let Some(error) = error
        .source()
        .and_then(|cause| cause.downcast_ref::<std::io::Error>())
    else {
        return false;
    };
    // A server may also just hang up.
    error.kind() == std::io::ErrorKind::UnexpectedEof
        || error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<rustls::Error>())
            .is_some()
}

/// An error with all its causes, because tokio-postgres's own text only names the kind.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> ConnectOptions {
        ConnectOptions::parse(url, &ConnectDefaults::default()).unwrap()
    }

    fn refusal(url: &str) -> String {
        ConnectOptions::parse(url, &ConnectDefaults::default())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn options_name_what_they_connect_to_and_no_password() {
        for (url, expected) in [
            ("postgres://u:s3cret@h/d", "postgres://u@h:5432/d"),
            (
                "postgresql://u@h:6000/d?password=s3cret",
                "postgres://u@h:6000/d",
            ),
            (
                "postgres://u:s3cret@[::1]:6000",
                "postgres://u@[::1]:6000/u",
            ),
            (
                "postgres://u:s3cret@a:1,b:2/d?sslmode=require",
                "postgres://u@a:1,b:2/d",
            ),
            (
                "postgres://u:s3%40cret@%2Frun%2Fpg/d",
                "postgres://u@%2Frun%2Fpg:5432/d",
            ),
            (
                "postgres://u:s3?cret@/d?host=/run/pg&port=6000",
                "postgres://u@%2Frun%2Fpg:6000/d",
            ),
            (
                "postgres:///d?user=u&password=s3cret&hostaddr=10.0.0.1",
                "postgres://u@10.0.0.1:5432/d",
            ),
            ("postgres://h", "postgres://h:5432"),
        ] {
            let options = parse(url);
            assert_eq!(options.to_string(), expected, "{url}");
            let debug = format!("{options:?}");
            assert!(
                debug.contains(expected) && !debug.contains("cret"),
                "{debug}"
            );
        }
    }

    #[test]
    fn sslmode_has_the_defaults_of_libpq() {
        for (url, expected) in [
            ("postgres://h/d", SslMode::Prefer),
            ("postgres://h/d?sslmode=allow", SslMode::Prefer),
            ("postgres://h/d?sslmode=disable", SslMode::Disable),
            ("postgres://h/d?ssl=true", SslMode::Require),
            (
                "postgres://h/d?sslmode=prefer&sslmode=require",
                SslMode::Require,
            ),
            (
                "postgres://u@/d?host=/run&sslmode=verify-full",
                SslMode::Disable,
            ),
            ("postgres://h,%2Frun/d", SslMode::Prefer),
        ] {
            assert_eq!(parse(url).ssl_mode(), expected, "{url}");
        }
    }

    #[test]
    fn system_roots_want_verify_full() {
        let defaults = ConnectDefaults {
            root_certificates: Some(RootCertificates::System),
            ..ConnectDefaults::default()
        };
        let weak = "`sslrootcert=system` in a PostgreSQL URL wants sslmode=verify-full";
        assert_eq!(
            refusal("postgres://h/d?sslrootcert=system&sslmode=verify-ca"),
            weak
        );
        let error = ConnectOptions::parse("postgres://h/d?sslmode=require", &defaults).unwrap_err();
        assert_eq!(error.to_string(), weak);
        // A socket has no use for certificates.
        ConnectOptions::parse("postgres://u@%2Frun/d?sslmode=require", &defaults).unwrap();
    }

    #[test]
    fn modes_that_cannot_be_kept_are_refused() {
        assert_eq!(
            refusal("postgres://h,%2Frun/d?sslmode=require"),
            "a Unix socket is never encrypted: beside other hosts it wants sslmode=disable or prefer"
        );
        assert_eq!(
            refusal("postgres://h/d?sslnegotiation=direct"),
            "`sslnegotiation=direct` in a PostgreSQL URL wants sslmode=require, verify-ca or verify-full"
        );
        assert_eq!(
            refusal("postgres://h/d?sslmode=verify-ca&sslrootcert=/no/such.pem"),
            "sslrootcert must be `system` or a PEM file with certificates, and /no/such.pem is not: \
             I/O error: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn the_url_wins_over_the_defaults() {
        let defaults = ConnectDefaults {
            application_name: Some("default".to_owned()),
            statement_timeout: Some(Duration::from_secs(5)),
            lock_timeout: Some(Duration::ZERO),
            idle_in_transaction_session_timeout: Some(Duration::from_micros(1)),
            connect_timeout: Some(Duration::from_secs(3)),
            keepalives_idle: Some(Duration::from_mins(1)),
            root_certificates: None,
        };
        let config = ConnectOptions::parse("postgres://h/d", &defaults)
            .unwrap()
            .config;
        assert_eq!(
            config.get_options(),
            Some(
                "-c statement_timeout=5000 -c lock_timeout=0 -c idle_in_transaction_session_timeout=1"
            )
        );
        assert_eq!(config.get_application_name(), Some("default"));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(config.get_keepalives_idle(), Duration::from_mins(1));

        let url = "postgres://h/d?application_name=url&options=-c%20statement_timeout%3D1\
                   &connect_timeout=0&keepalives_idle=7";
        let config = ConnectOptions::parse(url, &defaults).unwrap().config;
        assert_eq!(
            config.get_options(),
            Some(
                "-c statement_timeout=5000 -c lock_timeout=0 -c idle_in_transaction_session_timeout=1 \
                 -c statement_timeout=1"
            )
        );
        assert_eq!(config.get_application_name(), Some("url"));
        assert_eq!(config.get_connect_timeout(), None);
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(7));

        assert_eq!(parse("postgres://h/d").config.get_options(), None);
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let url = format!("postgres://u:s3cret@127.0.0.1:{port}/d");
        let defaults = ConnectDefaults {
            connect_timeout: Some(Duration::from_millis(50)),
            ..ConnectDefaults::default()
        };
        let options = ConnectOptions::parse(&url, &defaults).unwrap();
        let error = options.connect().await.err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("cannot connect to postgres://u@127.0.0.1:{port}/d: no answer within 100ms")
        );
    }
}
