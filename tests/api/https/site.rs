//! A certificate made by the tests, and clients that trust it.

use std::io::Result;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::Answer;

/// The versions of HTTP, by their names in ALPN.
pub(super) const HTTP_1_1: &str = "http/1.1";
pub(super) const HTTP_2: &str = "h2";

/// The files of a certificate for `localhost`, gone when this value is dropped.
pub(super) struct Site {
    directory: TempDir,
    certificate: CertificateDer<'static>,
}

impl Site {
    pub(super) fn new() -> Self {
        let directory = crate::program::directory();
        let certificate = write(directory.path());
        Self {
            directory,
            certificate,
        }
    }

    pub(super) fn certificate_path(&self) -> PathBuf {
        self.directory.path().join("site.crt")
    }

    pub(super) fn key_path(&self) -> PathBuf {
        self.directory.path().join("site.key")
    }

    /// The flags with which a server uses these files.
    pub(super) fn flags(&self) -> [String; 2] {
        let (certificate, key) = (self.certificate_path(), self.key_path());
        [
            format!("--tls-cert={}", certificate.display()),
            format!("--tls-key={}", key.display()),
        ]
    }

    /// Replaces certificate and key. From now on clients trust only the new one.
    pub(super) fn renew(&mut self) {
        self.certificate = write(self.directory.path());
    }

    /// A connection from an address of this machine.
    pub(super) async fn connect(
        &self,
        from: &str,
        to: SocketAddr,
        alpn: &str,
    ) -> Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = crate::caller_limits::connect(from, to).await;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await
    }

    pub(super) async fn client(&self, to: SocketAddr, alpn: &str) -> Client {
        let io = TokioIo::new(self.connect("127.0.0.1", to, alpn).await.unwrap());
        if alpn == HTTP_2 {
            let executor = TokioExecutor::new();
            let (client, connection) = http2::handshake(executor, io).await.unwrap();
            tokio::spawn(connection);
            Client::Http2(client)
        } else {
            let (client, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            Client::Http1(client)
        }
    }
}

/// Writes the files and returns the certificate.
fn write(directory: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = directory.join("site.key");
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(directory.join("site.crt"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

/// One connection.
pub(super) enum Client {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    /// Sends a request for a path of this host.
    pub(super) async fn send(
        &mut self,
        host: &str,
        mut request: Request<Body>,
    ) -> Response<Incoming> {
        let path = request.uri().to_string();
        let response = match self {
            Self::Http1(client) => {
                let host = host.parse().unwrap();
                request.headers_mut().insert("host", host);
                client.ready().await.unwrap();
                client.send_request(request).await
            }
            Self::Http2(client) => {
                // hyper sends the host as `:authority`.
                *request.uri_mut() = format!("https://{host}{path}").parse().unwrap();
                client.ready().await.unwrap();
                client.send_request(request).await
            }
        };
        let response = response.unwrap();
        let is_http2 = matches!(self, Self::Http2(_));
        assert_eq!(response.version() == Version::HTTP_2, is_http2);
        response
    }

    pub(super) async fn ask(&mut self, host: &str, request: Request<Body>) -> Answer {
        let (head, body) = self.send(host, request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

/// A GraphQL request by POST.
pub(super) fn post(query: &str) -> Request<Body> {
    let body = serde_json::json!({ "query": query }).to_string();
    Request::post("/graphql")
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}
