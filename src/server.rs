//! HTTP: the routes and the layers in their order, start and graceful stop.

mod articles;
mod cors;
mod encoding;
mod etag;
mod execute;
mod graphiql;
mod health;
pub mod http;
mod metrics;
mod negotiation;
pub mod operation;
pub mod persisted;
mod request_id;
pub mod sse;
pub mod websocket;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::decompression::RequestDecompressionLayer;

use self::graphiql::FrontPage;
use self::http::Endpoint;
use self::metrics::Metrics;
use self::request_id::RequestId;
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
    let told_to_stop = {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            tracing::info!("stopping: finishing what is under way");
        }
    };
    let served = axum::serve(listener, app).with_graceful_shutdown(told_to_stop);
    // One bound for all of it: for the requests under way, and for the writes that nobody waits for any more.
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(settings.stop_timeout).await;
    };
    tokio::pin!(deadline);
    let (served, late) = tokio::select! {
        served = served => (served.map_err(ServeError::Serve), false),
        () = &mut deadline => (Ok(()), true),
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
    served
}

/// Everything that is served.
fn routes(
    settings: &ServerSettings,
    store: Store,
    feed: Feed,
    persisted: PersistedOperations,
    stop: CancellationToken,
) -> Result<Router, InvalidSchema> {
    let app = App {
        api: Api::new(store.clone(), feed, (&settings.limits).into())?,
        store,
        persisted,
        request_timeout: settings.request_timeout,
    };
    let graphql = Endpoint {
        execute: app.clone(),
        page: FrontPage::new(&settings.service_name, &settings.description),
        max_body_bytes: settings.max_body_bytes,
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
        false => get(async || StatusCode::NOT_FOUND),
    };
    let bounded = Router::new()
        .merge(http::routes(graphql))
        .route("/schema.graphql", schema_route)
        .route("/health/live", get(async || "alive\n"))
        .route("/health/ready", get(health::ready))
        .layer(from_fn_with_state(settings.request_timeout, time_limit));
    let metrics = Metrics::new(app.api.clone(), app.store.clone());
    let counts = from_fn_with_state(metrics.clone(), metrics::layer);
    let routes = Router::new()
        .route("/", get(async || Redirect::temporary("/graphql")))
        // A million articles take longer than a request may; a slow reader holds nothing.
        .route("/api/v1/articles/", get(articles::all))
        .merge(bounded)
        .merge(graphiql::routes())
        .route("/metrics", get(metrics::page).with_state(metrics))
        .route_layer(counts)
        .with_state(app);
    Ok(layered(routes, &settings.cors_origins))
}

/// A body that is shorter, in bytes, is sent as it is: it fills one packet either way.
const COMPRESSED_ABOVE_BYTES: u16 = 1024;

/// The layers around all routes. A request meets them from the last to the first, its answer from the first to the
/// last.
fn layered(routes: Router, cors_origins: &[String]) -> Router {
    let compressed = SizeAbove::new(COMPRESSED_ABOVE_BYTES)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES);
    routes
        // Whoever reads a body bounds it, and what is bounded is what comes out of here. Encodings that are not
        // known pass, so that they are refused in words.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(compressed),
        )
        .layer(from_fn(encoding::layer))
        // Each encoding has a tag of its own.
        .layer(from_fn(etag::layer))
        .layer(from_fn(catch_panic))
        // A page may read of errors too.
        .layer(from_fn_with_state(
            cors::Origins::from(cors_origins),
            cors::layer,
        ))
        .layer(from_fn(request_id::layer))
}

/// A handler that panics is a fault of ours, and no reason to hang up on the client.
async fn catch_panic(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            tracing::error!(message, "a handler panicked");
            http::internal_error(&id.map(|RequestId(id)| id).unwrap_or_default())
        }
    }
}

async fn schema() -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        api::sdl(),
    )
        .into_response()
}

/// Gives up on a request after its time. A write that has begun is finished all the same.
async fn time_limit(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => http::refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "TIMEOUT",
            "the request took too long",
        ),
    }
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
