//! The connection to the collector: a POST on a new connection, every few seconds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The time limit of a POST.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why spans cannot be sent to the configured endpoint.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("the endpoint for traces is invalid: expected http://HOST:PORT or https://HOST:PORT")]
    Form,
    #[error("a header for the trace collector is invalid: expected NAME=VALUE,NAME=VALUE")]
    Header,
    #[error("TLS to the trace collector cannot be set up: {0}")]
    Tls(String),
}

/// Why spans were not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("it took more than {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("the connection failed: {0}")]
    Connection(#[from] std::io::Error),
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the response was {0}")]
    Status(StatusCode),
}

impl PostError {
    /// Whether OTLP allows a retry.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Timeout | Self::Connection(_) | Self::Http(_) => true,
        }
    }
}

/// The endpoint that spans are sent to.
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    path: Uri,
    headers: HeaderMap,
    tls: Option<TlsConnector>,
}

impl Endpoint {
    pub(crate) fn new(url: &str, headers: &[(String, String)]) -> Result<Self, EndpointError> {
        let uri: Uri = url.parse().map_err(|_| EndpointError::Form)?;
        let host = uri.host().ok_or(EndpointError::Form)?;
        let authority = uri.authority().ok_or(EndpointError::Form)?;
        let (default_port, tls) = match uri.scheme_str() {
            Some("http") => (80, None),
            Some("https") => (443, Some(connector()?)),
            _ => return Err(EndpointError::Form),
        };
        let mut all = HeaderMap::new();
        let authority = HeaderValue::from_str(authority.as_str());
        all.insert(header::HOST, authority.map_err(|_| EndpointError::Form)?);
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        all.insert(header::CONTENT_TYPE, protobuf);
        for (name, value) in headers {
            let name: HeaderName = name.parse().map_err(|_| EndpointError::Header)?;
            let mut value: HeaderValue = value.parse().map_err(|_| EndpointError::Header)?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(default_port),
            path: path.parse().map_err(|_| EndpointError::Form)?,
            headers: all,
            tls,
        })
    }

    /// Sends an OTLP request.
    pub(crate) async fn post(&self, body: Vec<u8>) -> Result<(), PostError> {
        let sent = tokio::time::timeout(TIMEOUT, self.connect_and_post(body));
        sent.await.map_err(|_| PostError::Timeout)?
    }

    async fn connect_and_post(&self, body: Vec<u8>) -> Result<(), PostError> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        match &self.tls {
            None => self.post_on(stream, body).await,
            Some(tls) => {
                let name =
                    ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
                self.post_on(tls.connect(name, stream).await?, body).await
            }
        }
    }

    async fn post_on<S>(&self, stream: S, body: Vec<u8>) -> Result<(), PostError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::post(self.path.clone())
            .body(Full::new(Bytes::from(body)))
            .unwrap_or_default();
        request.headers_mut().extend(self.headers.clone());
        let response = sender.send_request(request).await;
        connection.abort();
        match response?.status() {
            status if status.is_success() => Ok(()),
            status => Err(PostError::Status(status)),
        }
    }
}

fn connector() -> Result<TlsConnector, EndpointError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 == 0 {
        let none = "the platform has no certificate authorities: install them";
        return Err(EndpointError::Tls(none.to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EndpointError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
