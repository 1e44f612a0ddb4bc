//! HTTPS: the certificate, which is read again when its files change.
//!
//! If the new files are invalid, that is logged and the previous certificate stays in force: after a failed renewal
//! there are days left to fix it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use broadsheet_admission::file::{self, FileError};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// The ALPN names of the HTTP versions that the server speaks, the preferred one first.
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// How often the files are checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Why the server cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path} has no certificate in PEM form: {reason}", path = .0.display(), reason = .1)]
    Certificate(PathBuf, String),
    #[error("{path} has no private key in PEM form: {reason}", path = .0.display(), reason = .1)]
    Key(PathBuf, String),
    #[error("{key} is not the key of {certificate}", key = .0.display(), certificate = .1.display())]
    Mismatch(PathBuf, PathBuf),
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The certificate of the server, and its private key. Clones share everything.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    /// The state of the files when they were last read.
    seen: Mutex<Files>,
    failed_reloads: AtomicU64,
}

/// What reveals that a file has changed: the time of its last change, and its length.
type Files = [Option<(SystemTime, u64)>; 2];

/// The certificate for the next handshake.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

impl Tls {
    /// Reads the certificate and its key from these files, blocking.
    ///
    /// # Errors
    /// A file cannot be used, or they do not belong together.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let seen = files(&certificate, &key);
        let current = Arc::new(load(&certificate, &key, &provider)?);
        Ok(Self(Arc::new(Inner {
            certificate,
            key,
            provider,
            current: Arc::new(Current(RwLock::new(current))),
            seen: Mutex::new(seen),
            failed_reloads: AtomicU64::new(0),
        })))
    }

    /// An acceptor that uses the certificate that is in force now.
    ///
    /// # Errors
    /// No version of TLS is enabled, which cannot happen.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let current = Arc::clone(&self.0.current);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current);
        config.alpn_protocols = [HTTP_2, HTTP_1_1].map(<[u8]>::to_vec).into();
        Ok(Arc::new(config).into())
    }

    /// Reads the files again, blocking. If they are invalid, that is logged and nothing changes.
    pub fn reload(&self) {
        let inner = &*self.0;
        *inner.seen() = files(&inner.certificate, &inner.key);
        match load(&inner.certificate, &inner.key, &inner.provider) {
            Ok(next) => {
                let mut current = inner
                    .current
                    .0
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(next);
                tracing::info!("read the TLS certificate again");
            }
            Err(error) => {
                inner.failed_reloads.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "the previous TLS certificate stays in force");
            }
        }
    }

    /// Reads the files again whenever they have changed, until `stop` is cancelled.
    pub async fn watch(self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(CHECK_INTERVAL))
            .await
            .is_some()
        {
            let tls = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || tls.reload_if_changed());
            if let Err(error) = reloaded.await {
                tracing::error!(%error, "reloading the TLS certificate failed");
            }
        }
    }

    fn reload_if_changed(&self) {
        let inner = &*self.0;
        if *inner.seen() != files(&inner.certificate, &inner.key) {
            self.reload();
        }
    }

    /// How often [`reload`](Self::reload) has failed.
    pub fn failed_reloads(&self) -> u64 {
        self.0.failed_reloads.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn seen(&self) -> std::sync::MutexGuard<'_, Files> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn files(certificate: &Path, key: &Path) -> Files {
    [certificate, key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

/// Reads a certificate chain, the server's own certificate first, and its private key, which other users must not be
/// able to read.
fn load(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let text = file::read(certificate)?;
    let chain = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| match chain.is_empty() {
            true => Err(pem::Error::NoItemsFound),
            false => Ok(chain),
        })
        .map_err(|error| TlsError::Certificate(certificate.to_owned(), error.to_string()))?;
    let text = file::read_private(key)?;
    let private = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|error| TlsError::Key(key.to_owned(), error.to_string()))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch(key.to_owned(), certificate.to_owned())
        }
        error => error.into(),
    })
}
