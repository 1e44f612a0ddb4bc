//! HTTP: the routes, the start and the graceful stop.

mod articles;
mod connection;
mod cors;
mod encoding;
mod etag;
mod execute;
mod graphiql;
mod health;
mod host;
pub mod http;
mod metrics;
mod middleware;
mod negotiation;
pub mod operation;
pub mod persisted;
mod repeated;
pub mod request_id;
pub mod sse;
pub mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connection::ConnectionSettings;
use self::graphiql::FrontPage;
use self::http::Endpoint;
use self::metrics::{Metrics, RequestMetrics};
use self::middleware::{Middleware, Routes};
use self::repeated::RepeatedRequests;
use self::sse::SseSettings;
use self::websocket::WebSocketSettings;
use crate::api::{self, Api};
use crate::clock::Clock;
use crate::config::{DatabaseSettings, ServerSettings};
use crate::document::InvalidSchema;
use crate::feed::Feed;
use crate::server::persisted::{ManifestError, PersistedOperations};
use crate::store::{OpenError, Store};

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
    Manifest(#[from] ManifestError),
    #[error("the server failed: {0}")]
    Serve(#[source] std::io::Error),
}

/// What the handlers share.
#[derive(Clone)]
struct App {
    api: Api,
    store: Store,
    persisted: PersistedOperations,
    repeated: Arc<RepeatedRequests>,
    request_timeout: Duration,
}

/// Connects to the database, serves until SIGTERM or Ctrl-C, finishes what is under way, and disconnects.
///
/// # Errors
/// The database or the address cannot be had.
pub async fn serve(
    settings: &ServerSettings,
    database: &DatabaseSettings,
    migrate: bool,
) -> Result<(), ServeError> {
    let stop = stop_signal();
    let store = tokio::select! {
        store = Store::open(database, Clock::system(), migrate) => store?,
        () = stop.cancelled() => return Ok(()),
    };
    tracing::info!(
        database = store.describe(),
        force_roll_back = database.force_roll_back,
        "connected"
    );
    let address = SocketAddr::new(settings.host, settings.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| ServeError::Listen(address, error))?;
    run(listener, settings, store, stop).await
}

/// Serves on `listener` until `stop` is cancelled; then finishes what is under way, within
/// [`ServerSettings::stop_timeout`], and closes the store.
///
/// # Errors
/// The listener fails.
pub async fn run(
    listener: TcpListener,
    settings: &ServerSettings,
    store: Store,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let persisted = PersistedOperations::open(&settings.persisted)?;
    persisted.reload_on_hangup(stop.clone());
    let address = listener.local_addr().map_err(ServeError::Serve)?;
    tracing::info!(
        service = settings.service_name,
        "listening on http://{address}"
    );
    let feed = Feed::start(store.clone(), settings.change_retention);
    let app = routes(settings, store.clone(), feed, persisted, stop.clone())?;
    let connections = ConnectionSettings::with_write_timeout(settings.write_timeout);
    let served = connection::serve(listener, app, connections, stop.clone());
    // One bound for all of it: for the requests under way, and for the writes that nobody waits for any more.
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
    } else {
        tracing::warn!(database, "stopped although something was under way");
    }
    Ok(())
}

/// Everything that is served.
fn routes(
    settings: &ServerSettings,
    store: Store,
    feed: Feed,
    persisted: PersistedOperations,
    stop: CancellationToken,
) -> Result<Middleware<App>, InvalidSchema> {
    let app = App {
        api: Api::new(store.clone(), feed, (&settings.limits).into())?,
        store,
        persisted,
        repeated: Arc::new(RepeatedRequests::new(
            settings.limits.document_cache_bytes / 8,
        )),
        request_timeout: settings.request_timeout,
    };
    let graphql = Endpoint {
        execute: app.clone(),
        page: FrontPage::new(&settings.service_name, &settings.description),
        max_body_bytes: settings.max_body_bytes,
        body_timeout: settings.request_timeout,
        cache_control: settings.cache_control.clone(),
        sse: SseSettings::default(),
        websocket: Arc::new(WebSocketSettings {
            message_bytes: settings.max_body_bytes,
            origins: settings.cors_origins.clone(),
            ..WebSocketSettings::default()
        }),
        shutdown: stop,
    };
    // Whoever may not ask for the schema is not shown it either.
    let schema_route = match settings.limits.introspection {
        true => get(schema),
        false => get(not_found),
    };
    let requests = RequestMetrics::default();
    let metrics = Metrics::new(&requests, app.api.clone(), app.store.clone());
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
    Ok(middleware::around(routes, origins, requests))
}

async fn schema() -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        api::sdl(),
    )
        .into_response()
}

/// The answer at a path where nothing is.
async fn not_found() -> Response {
    http::refusal(
        StatusCode::NOT_FOUND,
        "BAD_REQUEST",
        "there is nothing at this path; GraphQL is served at /graphql",
    )
}

/// The header `Allow` is added to it.
async fn method_not_allowed() -> Response {
    http::refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "BAD_REQUEST",
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
