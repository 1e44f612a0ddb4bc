//! Parses a PostgreSQL URL: the parameters of tokio-postgres, and libpq's `sslmode` and `sslrootcert`, most of which
//! tokio-postgres rejects.
//!
//! No error repeats a value, because any part of a malformed URL may be part of a password.

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::tls::{RootCertificates, RootCertificatesError, SslMode};

/// What is wrong with a PostgreSQL URL, and what is accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither of the two schemes.
    #[error("a PostgreSQL URL begins with postgres:// or postgresql://")]
    Scheme,
    /// An `@` or `/` that splits user and password from the host in the wrong place.
    #[error(
        "a PostgreSQL URL may have only one @, before the host: everywhere else write %40 for @, and in \
         user and password also %2F for / and %3A for :"
    )]
    Credentials,
    /// No readable user, host, port or database.
    #[error(
        "before its parameters, a PostgreSQL URL has the form postgres://user:password@host:port/database, with a \
         port between 1 and 65535 and an IPv6 address in brackets"
    )]
    Address,
    /// No host, where libpq would guess one.
    #[error(
        "a PostgreSQL URL names its host, as in postgres://user@localhost/database, or the directory of its \
         socket, as in postgres://user@/database?host=/var/run/postgresql"
    )]
    NoHost,
    /// Lists of hosts, addresses and ports that do not match.
    #[error(
        "with several hosts there is one port for all or one for each, and one hostaddr for each or none"
    )]
    HostCount,
    /// Something else than `name=value` after the question mark.
    #[error("the parameters of a PostgreSQL URL are written name=value and joined by &")]
    ParameterForm,
    /// An unknown parameter.
    #[error("`{0}` is not a parameter of a PostgreSQL URL; these are: {names}", names = names())]
    UnknownParameter(String),
    /// A known parameter with an invalid value.
    #[error("`{name}` in a PostgreSQL URL must be {accepted}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// The valid values.
        accepted: &'static str,
    },
    /// A mode that is weaker than another parameter requires.
    #[error("`{name}` in a PostgreSQL URL needs sslmode={accepted}")]
    WeakMode {
        /// The parameter, with its value, that requires a stronger mode.
        name: &'static str,
        /// The modes that suffice.
        accepted: &'static str,
    },
    /// A Unix socket together with hosts that must be encrypted.
    #[error(
        "a Unix socket is never encrypted: together with other hosts it needs sslmode=disable or prefer"
    )]
    MixedHosts,
    /// No certificate authorities to verify with.
    #[error(transparent)]
    RootCertificates(#[from] RootCertificatesError),
}

/// All parameters, and what each accepts.
const PARAMETERS: [(&str, &str); 20] = [
    ("application_name", "text in UTF-8"),
    ("channel_binding", "disable, prefer or require"),
    ("connect_timeout", "a number of seconds, 0 for no limit"),
    ("dbname", "text in UTF-8"),
    (
        "host",
        "a host name, an address or the directory of a socket",
    ),
    ("hostaddr", "an IP address"),
    ("keepalives", "0 or 1"),
    ("keepalives_idle", "a number of seconds"),
    ("keepalives_interval", "a number of seconds"),
    ("keepalives_retries", "a number"),
    ("load_balance_hosts", "disable or random"),
    (
        "options",
        "command-line options of the server, as in -c%20name=value",
    ),
    ("password", "text in UTF-8"),
    ("port", "a number between 1 and 65535"),
    ("sslmode", SslMode::NAMES),
    ("sslnegotiation", "postgres or direct"),
    ("sslrootcert", "`system` or the path of a PEM file"),
    ("target_session_attrs", "any, read-write or read-only"),
    ("tcp_user_timeout", "a number of seconds, 0 for no limit"),
    ("user", "text in UTF-8"),
];

fn names() -> String {
    let names: Vec<_> = PARAMETERS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The parts of a URL, before defaults are added.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) ssl_mode: Option<SslMode>,
    pub(crate) root_certificates: Option<RootCertificates>,
    names: Vec<&'static str>,
}

impl Parts {
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or(UrlError::Scheme)?;
        // tokio-postgres ends the password at the first @, wherever that is. It would then treat the rest of a password
        // as the host, and hosts are printed.
        let (credentials, after) = rest.split_once('@').unwrap_or(("", rest));
        if credentials.contains('/') || after.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (address, parameters) = match after.split_once('?') {
            Some((_, parameters)) => (&url[..url.len() - parameters.len() - 1], parameters),
            None => (url, ""),
        };
        let _ = address.parse::<Config>().map_err(|_| UrlError::Address)?;

        let mut parts = Self {
            config: Config::new(),
            ssl_mode: None,
            root_certificates: None,
            names: Vec::new(),
        };
        let mut kept = Vec::new();
        for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
            if !parts.read_parameter(parameter)? {
                kept.push(parameter);
            }
        }
        parts.config = format!("{address}?{}", kept.join("&"))
            .parse()
            .map_err(|_| UrlError::Address)?;
        parts.complete_hosts()?;
        Ok(parts)
    }

    /// Whether the URL itself has this parameter.
    pub(crate) fn names(&self, parameter: &str) -> bool {
        self.names.contains(&parameter)
    }

    /// Whether all targets are Unix sockets.
    pub(crate) fn only_sockets(&self) -> bool {
        self.config.get_hostaddrs().is_empty() && self.config.get_hosts().iter().all(is_socket)
    }

    /// Whether some hosts are Unix sockets.
    pub(crate) fn has_sockets(&self) -> bool {
        self.config.get_hosts().iter().any(is_socket)
    }

    /// Parses a parameter of our own; checks one for tokio-postgres and returns false.
    fn read_parameter(&mut self, parameter: &str) -> Result<bool, UrlError> {
        let (name, value) = parameter.split_once('=').ok_or(UrlError::ParameterForm)?;
        let decode = |text| percent_decode_str(text).decode_utf8();
        let name = decode(name).map_err(|_| UrlError::ParameterForm)?;
        // The older spelling of JDBC, which libpq accepts too.
        if name == "ssl" && value == "true" {
            self.ssl_mode = Some(SslMode::Require);
            return Ok(true);
        }
        let &(name, accepted) = PARAMETERS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| UrlError::UnknownParameter(name.into_owned()))?;
        let unacceptable = || UrlError::Value { name, accepted };
        self.names.push(name);
        match name {
            "sslmode" => {
                let value = decode(value).map_err(|_| unacceptable())?;
                self.ssl_mode = Some(SslMode::from_name(&value).ok_or_else(unacceptable)?);
            }
            "sslrootcert" => {
                let value = decode(value).map_err(|_| unacceptable())?;
                self.root_certificates = match &*value {
                    "" => None,
                    value => Some(value.into()),
                };
            }
            _ => {
                // Parsed alone, so that the error can name the parameter.
                format!("postgres://?{name}={value}")
                    .parse::<Config>()
                    .map_err(|_| unacceptable())?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Uses the address of a host without a name as its name, as libpq does for verification, and checks what
    /// tokio-postgres would only detect when it connects.
    fn complete_hosts(&mut self) -> Result<(), UrlError> {
        if self.config.get_hosts().is_empty() {
            for address in self.config.get_hostaddrs().to_vec() {
                self.config.host(address.to_string());
            }
        }
        let hosts = self.config.get_hosts();
        if hosts.is_empty() || hosts.contains(&Host::Tcp(String::new())) {
            return Err(UrlError::NoHost);
        }
        let addresses = self.config.get_hostaddrs().len();
        let ports = self.config.get_ports();
        if (addresses > 0 && addresses != hosts.len())
            || (ports.len() > 1 && ports.len() != hosts.len())
        {
            return Err(UrlError::HostCount);
        }
        if ports.contains(&0) {
            return Err(UrlError::Address);
        }
        Ok(())
    }
}

fn is_socket(host: &Host) -> bool {
    matches!(host, Host::Unix(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_passed_to_tokio_postgres_or_handled_here() {
        let parts = Parts::parse(
            "postgresql://u%40x:p%2Fq@a:1,b:2/d%20e?sslmode=verify%2Dca&target_session_attrs=read-write\
             &sslrootcert=%2Fetc%2Fca%20.pem&application_name=a%26b",
        )
        .unwrap();
        assert_eq!(parts.ssl_mode, Some(SslMode::VerifyCa));
        assert_eq!(
            parts.root_certificates,
            Some(RootCertificates::File("/etc/ca .pem".into()))
        );
        assert!(parts.names("sslmode") && parts.names("application_name"));
        assert!(!parts.names("options"));
        let expected: Config = "user=u@x password=p/q host=a,b port=1,2 dbname='d e' \
            target_session_attrs=read-write application_name=a&b"
            .parse()
            .unwrap();
        assert_eq!(parts.config, expected);
    }

    #[test]
    fn an_error_lists_what_is_accepted_and_repeats_no_value() {
        for (url, expected) in [
            ("mysql://u:s3cret@h/d", "begins with postgres://"),
            ("postgres://u:s3@cret@h/d", "write %40 for @"),
            ("postgres://u:s3/cret@h/d", "%2F for /"),
            ("postgres://u:s3cret@h/d?s3@cret=1", "write %40 for @"),
            ("postgres://u:s3cret", "with a port between 1 and 65535"),
            ("postgres://u@h:s3cret/d", "with a port between 1 and 65535"),
            (
                "postgres://u:s3cret@h:0/d",
                "with a port between 1 and 65535",
            ),
            ("postgres://u:s3cret@[::1/d", "an IPv6 address in brackets"),
            ("postgres://u:s3cret@/d", "host=/var/run/postgresql"),
            ("postgres://u:s3cret@:5432/d", "names its host"),
            (
                "postgres://u:s3cret@a,b/d?hostaddr=::1",
                "one hostaddr for each",
            ),
            ("postgres://h/d?s3cret", "written name=value"),
            (
                "postgres://h/d?sslmode=s3cret",
                "`sslmode` in a PostgreSQL URL must be disable, allow,",
            ),
            (
                "postgres://h/d?port=s3cret",
                "`port` in a PostgreSQL URL must be a number",
            ),
            (
                "postgres://h/d?connect_timeout=s3cret",
                "must be a number of seconds",
            ),
            (
                "postgres://h/d?sslkey=s3cret",
                "`sslkey` is not a parameter of a PostgreSQL URL; these are: application_name,",
            ),
        ] {
            let error = Parts::parse(url).err().unwrap();
            let (text, debug) = (error.to_string(), format!("{error:?}"));
            assert!(text.contains(expected), "{url}: {text}");
            assert!(!format!("{text}{debug}").contains("cret"), "{url}: {text}");
        }
    }

    #[test]
    fn every_listed_parameter_is_one_that_can_be_given() {
        for (name, _) in PARAMETERS {
            let value = match name {
                "channel_binding" | "sslmode" | "load_balance_hosts" => "disable",
                "sslnegotiation" => "postgres",
                "target_session_attrs" => "any",
                "hostaddr" => "10.0.0.1",
                _ => "1",
            };
            let url = match name {
                "port" => "postgres:///d?host=h&port=1".to_owned(),
                "host" => "postgres:///d?host=h".to_owned(),
                _ => format!("postgres://h/d?{name}={value}"),
            };
            assert!(Parts::parse(&url).unwrap().names(name), "{url}");
        }
    }
}
