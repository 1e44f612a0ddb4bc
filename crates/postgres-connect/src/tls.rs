//! How a connection to PostgreSQL is encrypted and which certificates it trusts, with libpq's meaning of `sslmode` and
//! `sslrootcert`.
//!
//! rustls verifies chain and name together, while libpq has modes in between. So the verifier here is ours. It decides
//! whether a certificate is *accepted*; that the server *owns* it is proven by the handshake's signature, which every
//! mode checks.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The values of `sslmode`, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server supports it, otherwise plain; nothing is verified. Also used for libpq's `allow`.
    Prefer,
    /// Always encrypted. Verified only if `sslrootcert` is given, then as [`SslMode::VerifyCa`].
    Require,
    /// The certificate must come from a trusted authority, for any name.
    VerifyCa,
    /// The certificate must come from a trusted authority and be for the host of the URL.
    VerifyFull,
}

impl SslMode {
    pub(crate) const NAMES: &str = "disable, allow, prefer, require, verify-ca or verify-full";

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// The certificate authorities to trust, as in `sslrootcert`.
///
/// Without it, libpq reads `~/.postgresql/root.crt`, or else refuses to verify; here the platform's authorities are
/// trusted then, which suit most hosted databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// The platform's authorities.
    System,
    /// The authorities in this PEM file, which may also contain the server's own self-signed certificate.
    File(PathBuf),
}

impl From<&str> for RootCertificates {
    fn from(value: &str) -> Self {
        match value {
            "system" => Self::System,
            path => Self::File(path.into()),
        }
    }
}

/// Why no certificate authority could be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RootCertificatesError {
    /// The platform has none.
    #[error(
        "the platform has no certificate authorities ({0}): install them or name a PEM file by sslrootcert"
    )]
    NoneOnPlatform(String),
    /// The file of `sslrootcert` cannot be used.
    #[error(
        "sslrootcert must be `system` or a PEM file with certificates, but {path} is not: {reason}"
    )]
    File {
        /// The path as it was given.
        path: PathBuf,
        /// The error of reading it.
        reason: String,
    },
    /// rustls does not support its own cryptography provider; this does not happen in practice.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Builds the TLS connector of a pool.
pub(crate) fn connector(
    mode: SslMode,
    roots: Option<&RootCertificates>,
) -> Result<MakeRustlsConnect, RootCertificatesError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verification = match (mode, roots) {
        (SslMode::Disable | SslMode::Prefer, _) | (SslMode::Require, None) => Verification::Nothing,
        (SslMode::Require | SslMode::VerifyCa, _) => Verification::Chain(Trusted::load(roots)?),
        (SslMode::VerifyFull, _) => Verification::ChainAndName(Trusted::load(roots)?),
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            verification,
            provider,
        }))
        .with_no_client_auth();
    // PostgreSQL 17 requires it where TLS starts without negotiation (`sslnegotiation=direct`).
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// How a server's certificate is verified.
#[derive(Debug)]
enum Verification {
    Nothing,
    Chain(Trusted),
    ChainAndName(Trusted),
}

#[derive(Debug)]
struct Trusted {
    certificates: Vec<CertificateDer<'static>>,
    authorities: RootCertStore,
}

impl Trusted {
    fn load(roots: Option<&RootCertificates>) -> Result<Self, RootCertificatesError> {
        let certificates = match roots {
            Some(RootCertificates::File(path)) => {
                let error = |reason: String| RootCertificatesError::File {
                    path: path.clone(),
                    reason,
                };
                let certificates = CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|cause| error(cause.to_string()))?;
                if certificates.is_empty() {
                    return Err(error("it contains no certificate".to_owned()));
                }
                certificates
            }
            Some(RootCertificates::System) | None => {
                let found = rustls_native_certs::load_native_certs();
                if found.certs.is_empty() {
                    let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                    return Err(RootCertificatesError::NoneOnPlatform(reasons.join("; ")));
                }
                found.certs
            }
        };
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(certificates.iter().cloned());
        Ok(Self {
            certificates,
            authorities,
        })
    }
}

#[derive(Debug)]
struct Verifier {
    verification: Verification,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn verify_chain(
        &self,
        trusted: &Trusted,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        // `openssl req -x509`, as in PostgreSQL's manual, makes a certificate that is its own authority, which rustls
        // does not accept for a server. A user who configures exactly this certificate trusts it.
        if trusted.certificates.contains(certificate) {
            return Ok(());
        }
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(certificate)?,
            &trusted.authorities,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.verification {
            Verification::Nothing => {}
            Verification::Chain(trusted) => {
                self.verify_chain(trusted, certificate, intermediates, now)?;
            }
            Verification::ChainAndName(trusted) => {
                self.verify_chain(trusted, certificate, intermediates, now)?;
                verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
