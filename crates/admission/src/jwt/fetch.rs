//! Fetches a key set by HTTP: one GET, with a limit on everything.
//!
//! A key set is fetched a few times an hour, so a connection pool would be of no use: a single hyper connection on the
//! TLS that we already have suffices, without another dependency. Redirects are not followed: an operator can configure
//! the right URL, and no redirect can send the request elsewhere.

#[cfg(test)]
mod tests;
mod traced;

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use otlp_spans::{TRACEPARENT, Trace};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// The time limit of the whole fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set.
const MAX_BYTES: usize = 1024 * 1024;

/// The URL of a key set, and how to connect to it.
#[derive(Clone)]
pub(super) struct KeySetUrl {
    uri: Uri,
    host: String,
    port: u16,
    /// Without TLS, the URL must name this machine.
    tls: Option<TlsConnector>,
}

/// A fetched key set.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) body: Bytes,
    /// For how long it is fresh, where the issuer says so: `max-age` of `Cache-Control`.
    pub(super) max_age: Option<Duration>,
}

/// Why a URL cannot be that of a key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("expected https://HOST/PATH, or http:// on a loopback address")]
    Form,
    #[error(
        "plain HTTP is for loopback addresses only, since who can change the answer on its way can sign: use https://"
    )]
    NotEncrypted,
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Why a key set could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("it took more than {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("the connection failed: {0}")]
    Connection(#[from] std::io::Error),
    #[error("{0} is not on this machine, and plain HTTP does not leave it")]
    NotLoopback(SocketAddr),
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer was {status}{}", .location.as_deref().map(|to| format!(", which is not followed, to {to}")).unwrap_or_default())]
    Status {
        status: StatusCode,
        location: Option<String>,
    },
    #[error("the body broke off or is larger than {MAX_BYTES} bytes: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

impl FromStr for KeySetUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::Form)?;
        let authority = uri.authority().ok_or(UrlError::Form)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Form);
        }
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        let (default_port, tls) = match uri.scheme_str() {
            Some("https") => (443, Some(connector()?)),
            Some("http") if is_loopback(&host) => (80, None),
            Some("http") => return Err(UrlError::NotEncrypted),
            _ => return Err(UrlError::Form),
        };
        let port = uri.port_u16().unwrap_or(default_port);
        Ok(Self {
            uri,
            host,
            port,
            tls,
        })
    }
}

impl KeySetUrl {
    /// For the log: without the query, which may contain a secret.
    pub(super) fn shown(&self) -> String {
        format!("{}:{}{}", self.host, self.port, self.uri.path())
    }

    /// Gets the key set; a request that is part of a trace names it.
    async fn fetch(&self, trace: Option<&Trace>) -> Result<Fetched, FetchError> {
        let fetched = tokio::time::timeout(TIMEOUT, self.connect(trace));
        fetched.await.map_err(|_| FetchError::Timeout)?
    }

    async fn connect(&self, trace: Option<&Trace>) -> Result<Fetched, FetchError> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        let Some(tls) = &self.tls else {
            let peer = stream.peer_addr()?;
            return match peer.ip().to_canonical().is_loopback() {
                true => self.get(stream, trace).await,
                false => Err(FetchError::NotLoopback(peer)),
            };
        };
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        self.get(tls.connect(name, stream).await?, trace).await
    }

    async fn get<S>(&self, stream: S, trace: Option<&Trace>) -> Result<Fetched, FetchError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let host = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = Uri::from_str(path).unwrap_or_default();
        let headers = request.headers_mut();
        headers.extend(header::HeaderValue::from_str(host).map(|host| (header::HOST, host)));
        headers.insert(header::ACCEPT, header::HeaderValue::from_static(ACCEPT));
        headers.insert(
            header::USER_AGENT,
            header::HeaderValue::from_static(USER_AGENT),
        );
        let traceparent = trace.map(Trace::traceparent);
        if let Some(Ok(traceparent)) = traceparent.map(header::HeaderValue::try_from) {
            headers.insert(TRACEPARENT, traceparent);
        }
        read(sender.send_request(request).await?).await
    }
}

const ACCEPT: &str = "application/jwk-set+json, application/json";
const USER_AGENT: &str = concat!("broadsheet/", env!("CARGO_PKG_VERSION"));

async fn read(response: http::Response<Incoming>) -> Result<Fetched, FetchError> {
    let headers = response.headers();
    if response.status() != StatusCode::OK {
        let location = headers
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok());
        return Err(FetchError::Status {
            status: response.status(),
            location: location.map(str::to_owned),
        });
    }
    let max_age = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(max_age);
    let body = Limited::new(response.into_body(), MAX_BYTES)
        .collect()
        .await;
    Ok(Fetched {
        body: body.map_err(FetchError::Body)?.to_bytes(),
        max_age,
    })
}

/// The freshness that `Cache-Control` gives: zero where it forbids storing.
fn max_age(directives: &str) -> Option<Duration> {
    directives.split(',').find_map(|directive| {
        let directive = directive.trim().to_ascii_lowercase();
        match directive.split_once('=') {
            Some(("max-age", seconds)) => seconds
                .trim_matches('"')
                .parse()
                .ok()
                .map(Duration::from_secs),
            None if directive == "no-store" || directive == "no-cache" => Some(Duration::ZERO),
            _ => None,
        }
    })
}

fn is_loopback(host: &str) -> bool {
    let address: Result<std::net::IpAddr, _> = host.parse();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// TLS that trusts the platform's certificate authorities.
fn connector() -> Result<TlsConnector, UrlError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 == 0 {
        let none = "the platform has no certificate authorities: install them";
        return Err(UrlError::Tls(none.to_owned()));
    }
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Result<TlsConnector, UrlError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| UrlError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
