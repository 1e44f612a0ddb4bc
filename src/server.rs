//! HTTP: the routes, the start and the graceful stop.

mod accept;
mod articles;
mod graphiql;
mod health;
mod metrics;
mod middleware;
mod reload;
mod who_may;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use self::accept::ConnectionSettings;
use self::metrics::{Metrics, RequestMetrics};
use self::middleware::{AllowedHosts, Middleware, Routes};
use self::reload::Reloaded;
use crate::admission::{Admission, AdmissionError, Credential, Scope};
use crate::api::{self, Api, ApiSettings};
use crate::clock::Clock;
use crate::config::{DatabaseSettings, ServerSettings};
use crate::error::{Error, ErrorCode};
use crate::feed::Feed;
use crate::graphql::engine::Engine;
use crate::graphql::http::{self, Endpoint};
use crate::graphql::persisted::{ManifestError, PersistedOperations};
use crate::graphql::sse::SseSettings;
use crate::graphql::websocket::WebSocketSettings;
use crate::shutdown::Shutdown;
use crate::store::{OpenError, Store};
use graphql_guard::InvalidSchema;

/// Why the server could not be started, or did not end well.
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
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("the server failed: {0}")]
    Serve(#[source] std::io::Error),
    /// The process is to end all the same, and not to wait for what goes on.
    #[error("stopped although something was still under way when STOP_TIMEOUT was over")]
    Unfinished,
}

/// What the handlers share.
#[derive(Clone)]
struct App {
    admission: Admission,
    api: Api,
    store: Store,
    request_timeout: Duration,
}

/// Connects to the database, serves until SIGTERM or Ctrl-C, finishes what is under way, and disconnects.
///
/// # Errors
/// A setting cannot be followed, which is found out before the database is touched, or the database cannot be used.
pub async fn serve(
    settings: &ServerSettings,
    database: &DatabaseSettings,
    migrate: bool,
) -> Result<(), ServeError> {
    let stop = stop_signal();
    let clock = Clock::system();
    let files = open_files(settings, settings.host, &clock)?;
    files.clone().on_hangup(stop.clone());
    let address = SocketAddr::new(settings.host, settings.port);
    let listen = |error| ServeError::Listen(address, error);
    let socket = bind(address).map_err(listen)?;
    let store = tokio::select! {
        store = Store::open(database, clock, migrate) => store?,
        () = stop.cancelled() => return Ok(()),
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
    run_with(listener, settings, files, store, stop).await
}

/// Reads what the settings name.
fn open_files(
    settings: &ServerSettings,
    host: IpAddr,
    clock: &Clock,
) -> Result<Reloaded, ServeError> {
    Ok(Reloaded {
        admission: Admission::open(&settings.admission, host, clock.clone())?,
        persisted: PersistedOperations::open(&settings.persisted)?,
    })
}

/// A server that applies none waits for somebody else to, and answers meanwhile as far as it can.
async fn warn_of_pending_migrations(store: &Store) {
    let what = match store.migration_status().await {
        Ok(status) if status.pending.is_empty() => return,
        Ok(status) => format!("migrations are pending ({})", status.pending.join(", ")),
        Err(Error::Internal(_)) => "the database has no migrations".to_owned(),
        // Whoever asks whether the server is ready is told.
        Err(_) => return,
    };
    tracing::warn!(
        "{what}, and --no-migrate leaves it so: run `broadsheet migrate` with the same DATABASE_URL"
    );
}

/// As many connections as [`TcpListener::bind`] lets wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Takes the address, so that it is known to be one that can be had. Whoever connects is refused until the socket
/// listens.
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
/// [`ServerSettings::stop_timeout`], and closes the store. `clock` says which tokens are valid.
///
/// # Errors
/// A file cannot be read, the settings do not go together, the listener fails, or something is still under way when the
/// time is over.
pub async fn run(
    listener: TcpListener,
    settings: &ServerSettings,
    store: Store,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Serve)?;
    let files = open_files(settings, address.ip(), &clock)?;
    files.clone().on_hangup(stop.clone());
    run_with(listener, settings, files, store, stop).await
}

async fn run_with(
    listener: TcpListener,
    settings: &ServerSettings,
    files: Reloaded,
    store: Store,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Serve)?;
    tracing::info!(
        service = settings.service_name,
        "listening on http://{address}"
    );
    who_may::tell(&files.admission, address);
    let feed = Feed::start(store.clone(), settings.change_retention);
    let sweeper = store.clone();
    let retention = settings.idempotency_retention;
    let sweep = async move { sweeper.sweep_idempotency_keys(retention).await };
    tokio::spawn(stop.clone().run_until_cancelled_owned(sweep));
    let shutdown = Shutdown::new(stop.clone());
    let hosts = AllowedHosts::new(&settings.allowed_hosts, address.ip());
    let app = routes(
        settings,
        hosts,
        store.clone(),
        feed,
        files,
        shutdown.clone(),
    )?;
    let served = async {
        let connections = ConnectionSettings::with_write_timeout(settings.write_timeout);
        accept::serve(listener, app, connections, stop.clone()).await;
        shutdown.finished().await;
    };
    // One bound for all of it: for the requests under way, the sockets, and the writes that nobody waits for any more.
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

/// Everything that is served.
fn routes(
    settings: &ServerSettings,
    hosts: AllowedHosts,
    store: Store,
    feed: Feed,
    files: Reloaded,
    shutdown: Shutdown,
) -> Result<Middleware<Engine>, InvalidSchema> {
    let api_settings = ApiSettings {
        query_timeout: settings.request_timeout,
        idempotency_retention: settings.idempotency_retention,
        ..(&settings.limits).into()
    };
    let Reloaded {
        admission,
        persisted,
    } = files;
    let app = App {
        admission: admission.clone(),
        api: Api::new(store.clone(), feed, api_settings)?,
        store,
        request_timeout: settings.request_timeout,
    };
    let engine = Engine::new(
        admission.clone(),
        app.api.clone(),
        persisted,
        settings.limits.document_cache_bytes / 8,
        settings.request_timeout,
        shutdown.clone(),
    );
    let graphql = Endpoint {
        execute: engine,
        page: graphiql::front_page(&settings.service_name, &settings.description),
        max_body_bytes: settings.max_body_bytes,
        body_timeout: settings.request_timeout,
        cache_control: settings.cache_control.clone(),
        sse: SseSettings::default(),
        websocket: Arc::new(WebSocketSettings {
            message_bytes: settings.max_body_bytes,
            origins: settings.cors_origins.clone(),
            ..WebSocketSettings::default()
        }),
        shutdown,
    };
    // Whoever may not ask for the schema is not shown it either.
    let schema_route = match settings.limits.introspection {
        true => get(schema),
        false => get(not_found),
    };
    let requests = RequestMetrics::default();
    let metrics = Metrics::new(&requests, admission, app.api.clone(), app.store.clone());
    let others = Router::new()
        .route("/", get(async || Redirect::temporary("/graphql")))
        // A million articles take longer than a request may; a slow reader holds nothing.
        .route("/api/v1/articles/", get(articles::all))
        .route("/api/v1/articles", get(articles::all))
        .route("/schema.graphql", schema_route)
        .route("/health/live", get(async || "alive\n"))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::page).with_state(metrics))
        .merge(graphiql::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app);
    let origins = settings.cors_origins.as_slice().into();
    let routes = Routes {
        graphql: Arc::new(graphql),
        others,
    };
    Ok(middleware::around(routes, hosts, origins, requests))
}

/// Who may ask for the schema by GraphQL may have it here.
async fn schema(State(app): State<App>, headers: HeaderMap) -> Response {
    app.for_readers(&headers, async || {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        ([(header::CONTENT_TYPE, text)], api::sdl()).into_response()
    })
    .await
}

impl App {
    /// The answer to a request for reading, if whoever sends it may read.
    async fn for_readers(
        &self,
        headers: &HeaderMap,
        answer: impl AsyncFnOnce() -> Response,
    ) -> Response {
        let credential = Credential::from_headers(headers);
        let caller = match self.admission.admit(credential, Scope::Read).await {
            Ok(caller) => caller,
            Err(rejection) => return http::rejected(rejection),
        };
        let mut response = answer().await;
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("authorization"));
        if !caller.is_anonymous() {
            headers.insert(header::CACHE_CONTROL, http::PRIVATE);
        }
        response
    }
}

/// The answer at a path where nothing is.
async fn not_found() -> Response {
    http::refusal(
        StatusCode::NOT_FOUND,
        ErrorCode::BadRequest,
        "there is nothing at this path; GraphQL is served at /graphql",
    )
}

/// The header `Allow` is added to it.
async fn method_not_allowed() -> Response {
    http::refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::BadRequest,
        "this method is not served at this path; the header Allow names those that are",
    )
}

/// Cancelled at the first SIGTERM or Ctrl-C.
fn stop_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let interrupt = tokio::signal::ctrl_c();
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            match signal(SignalKind::terminate()) {
                Ok(mut terminate) => tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                },
                Err(_) => drop(interrupt.await),
            }
        }
        #[cfg(not(unix))]
        drop(interrupt.await);
        token.cancel();
    });
    stop
}
