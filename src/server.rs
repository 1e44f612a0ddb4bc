//! The HTTP server: its start and its graceful shutdown.

mod admin;
mod articles;
mod graphiql;
mod health;
mod metrics;
mod middleware;
mod paths;
mod permissions;
mod reload;
mod routes;
mod traces;
mod welcome;

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use otlp_spans::Tracer;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use self::admin::AdminSocket;
use self::middleware::AllowedHosts;
use self::reload::Reloaded;
pub use self::traces::TracesError;
use crate::admission::{Admission, AdmissionError};
use crate::caller_limits::CallerLimits;
use crate::clock::Clock;
use crate::config::{DatabaseSettings, ServerSettings, TlsSettings};
use crate::connections::{self, ConnectionSettings, Tls, TlsError};
use crate::error::Error;
use crate::feed::Feed;
use crate::graphql::persisted::{ManifestError, PersistedOperations};
use crate::graphql::shutdown::Shutdown;
use crate::store::{OpenError, Store};
use graphql_guard::InvalidSchema;

/// Why the server could not be started, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
    #[error("the schema cannot be served: {0}")]
    Schema(#[from] InvalidSchema),
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    #[error("TRUSTED_DOCUMENTS_MODE is set, but TRUSTED_DOCUMENTS names no file")]
    NoManifest,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Traces(#[from] TracesError),
    #[error(transparent)]
    Manifest(ManifestError),
    #[error("the server failed: {0}")]
    Serve(#[source] std::io::Error),
    /// The process must exit nevertheless, without waiting for work under way.
    #[error("stopped with requests still under way after STOP_TIMEOUT")]
    Unfinished,
}

impl From<ManifestError> for ServeError {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::NotNamed => Self::NoManifest,
            error => Self::Manifest(error),
        }
    }
}

/// Connects to the database, serves until SIGTERM or Ctrl-C, finishes what is under way, and disconnects.
///
/// # Errors
/// A setting is invalid, which is detected before the database is used, or the database cannot be used.
pub async fn serve(
    settings: &ServerSettings,
    database: &DatabaseSettings,
    migrate: bool,
) -> Result<(), ServeError> {
    let began = Instant::now();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "Broadsheet starts");
    let stop = stop_signal();
    let clock = Clock::system();
    let (files, tracer) = open_files(settings, settings.host, &clock)?;
    files.clone().on_hangup(stop.clone());
    let address = SocketAddr::new(settings.host, settings.port);
    let listen = |error| ServeError::Listen(address, error);
    let socket = bind(address).map_err(listen)?;
    let admin = settings.admin_address.map(AdminSocket::bind).transpose()?;
    let store = tokio::select! {
        store = Store::open(database, clock, migrate) => store?,
        () = stop.cancelled() => {
            tracing::info!("stopped before the database was available");
            return Ok(());
        }
    };
    tracing::info!(
        database = store.describe(),
        force_roll_back = database.force_roll_back,
        "connected"
    );
    if !migrate {
        warn_of_pending_migrations(&store).await;
    }
    let listener = socket.listen(BACKLOG).map_err(listen)?;
    run_with((listener, admin), settings, (files, tracer), store, stop).await?;
    let up_seconds = began.elapsed().as_secs();
    tracing::info!(up_seconds, "stopped, with nothing left under way");
    Ok(())
}

/// Whether a server with these settings would get as far as its database: what they name exists and is valid.
///
/// # Errors
/// It would not.
pub fn check(settings: &ServerSettings) -> Result<(), ServeError> {
    open_files(settings, settings.host, &Clock::system()).map(drop)
}

/// Reads the files that the settings name, and starts the tracer, where there is a collector.
fn open_files(
    settings: &ServerSettings,
    host: IpAddr,
    clock: &Clock,
) -> Result<(Reloaded, Option<Tracer>), ServeError> {
    let tracer = traces::start(&settings.observe)?;
    let TlsSettings { tls_cert, tls_key } = settings.tls.clone();
    let tls = tls_cert.zip(tls_key);
    let files = Reloaded {
        admission: Admission::open(&settings.admission, host, clock.clone(), tracer.as_ref())?,
        persisted: PersistedOperations::open((&settings.persisted).into())?,
        tls: tls
            .map(|(certificate, key)| Tls::open(certificate, key))
            .transpose()?,
    };
    Ok((files, tracer))
}

/// A server that does not apply migrations waits for another process to do so, and serves in the meantime what it can.
async fn warn_of_pending_migrations(store: &Store) {
    let what = match store.migration_status().await {
        Ok(status) if status.pending.is_empty() => return,
        Ok(status) => format!("migrations are pending ({})", status.pending.join(", ")),
        Err(Error::Internal(_)) => "the database has no migrations".to_owned(),
        // `/health/ready` reports the error.
        Err(_) => return,
    };
    tracing::warn!(
        "{what}, and --no-migrate is set: run `broadsheet migrate` with the same DATABASE_URL"
    );
}

/// The same backlog as that of [`TcpListener::bind`].
const BACKLOG: u32 = 1_024;

/// Binds the address, so that a conflict is detected early. Connections are refused until the socket listens.
fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Serves on `listener` until `stop` is cancelled; then finishes what is under way, within
/// [`ServerSettings::stop_timeout`], and closes the store. `clock` decides which tokens are valid.
///
/// # Errors
/// A file cannot be read, the settings contradict each other, the listener fails, or something is still under way after
/// the timeout.
pub async fn run(
    listener: TcpListener,
    settings: &ServerSettings,
    store: Store,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Serve)?;
    let (files, tracer) = open_files(settings, address.ip(), &clock)?;
    files.clone().on_hangup(stop.clone());
    let admin = settings.admin_address.map(AdminSocket::bind).transpose()?;
    run_with((listener, admin), settings, (files, tracer), store, stop).await
}

async fn run_with(
    (listener, admin): (TcpListener, Option<AdminSocket>),
    settings: &ServerSettings,
    (files, tracer): (Reloaded, Option<Tracer>),
    store: Store,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Serve)?;
    let tls = files.tls.clone();
    let acceptor = tls.as_ref().map(Tls::acceptor).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!(
        service = settings.service_name,
        "listening on {scheme}://{address}"
    );
    permissions::log(&files.admission, address);
    welcome::print(scheme, address, &files.admission, &store);
    if let Some(tls) = tls {
        tokio::spawn(tls.watch(stop.clone()));
    }
    let feed = Feed::start(store.clone(), settings.change_retention);
    let sweeper = store.clone();
    let retention = settings.idempotency_retention;
    let sweep = async move { sweeper.sweep_idempotency_keys(retention).await };
    tokio::spawn(stop.clone().run_until_cancelled_owned(sweep));
    let shutdown = Shutdown::new(stop.clone());
    let hosts = AllowedHosts::new(&settings.allowed_hosts, address.ip());
    let limits = CallerLimits::new(&settings.caller_limits);
    let routes::Served {
        all,
        admin: watched,
    } = routes::all(
        settings,
        (hosts, tracer.clone()),
        limits.clone(),
        store.clone(),
        feed,
        files,
        shutdown.clone(),
    )?;
    if let Some(admin) = admin {
        admin.serve(watched, stop.clone())?;
    }
    let served = async {
        let limited = ConnectionSettings::with_write_timeout(settings.write_timeout);
        connections::serve(listener, acceptor, all, limited, limits, stop.clone()).await;
        shutdown.finished().await;
        if let Some(tracer) = tracer {
            tracer.flush(traces::FLUSH).await;
        }
    };
    // One deadline for everything: requests under way, sockets, and writes whose callers are gone.
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(settings.stop_timeout).await;
    };
    tokio::pin!(deadline);
    let late = tokio::select! {
        () = served => false,
        () = &mut deadline => true,
    };
    let database = store.describe();
    let closed = async {
        if late {
            return false;
        }
        tokio::select! {
            () = store.close() => true,
            () = deadline => false,
        }
    };
    if closed.await {
        tracing::info!(database, "disconnected");
        Ok(())
    } else {
        Err(ServeError::Unfinished)
    }
}

/// Cancelled at the first SIGTERM or Ctrl-C.
fn stop_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let interrupt = tokio::signal::ctrl_c();
        #[cfg(unix)]
        let signal = {
            use tokio::signal::unix::{SignalKind, signal};
            match signal(SignalKind::terminate()) {
                Ok(mut terminate) => tokio::select! {
                    _ = interrupt => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                },
                Err(_) => interrupt.await.map_or("none", |()| "SIGINT"),
            }
        };
        #[cfg(not(unix))]
        let signal = interrupt.await.map_or("none", |()| "Ctrl-C");
        tracing::info!(signal, "received a signal to stop");
        token.cancel();
    });
    stop
}
