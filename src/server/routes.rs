//! The routes, and the state of their handlers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;

use super::metrics::{Metrics, Parts, RequestMetrics};
use super::middleware::{self, AllowedHosts, Middleware, Reporting, Routes};
use super::reload::Reloaded;
use super::{articles, graphiql, health, metrics, paths};
use crate::admission::{Admission, Credential, Scope};
use crate::api::{self, Api, ApiSettings};
use crate::caller_limits::settings::LimitsMode;
use crate::caller_limits::{CallerKey, CallerLimits, PeerAddress, REQUEST_COST};
use crate::config::{ObserveSettings, ServerSettings};
use crate::error::ErrorCode;
use crate::feed::Feed;
use crate::graphql::http;
use crate::graphql::metrics::OperationMetrics;
use crate::graphql::observer::{Observer, ObserverSettings};
use crate::graphql::shutdown::Shutdown;
use crate::graphql::sse::SseSettings;
use crate::graphql::websocket::WebSocketSettings;
use crate::graphql::{ApiEngine, ApiPipeline};
use crate::overload::ConcurrencySettings;
use crate::store::Store;
use graphql_guard::InvalidSchema;
use graphql_transports::{Endpoint, Pipeline, PipelineSettings};
use otlp_spans::Tracer;

/// The state that handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub(super) admission: Admission,
    pub(super) limits: CallerLimits,
    pub(super) api: Api,
    pub(super) store: Store,
    pub(super) request_timeout: Duration,
}

/// All routes.
pub(super) fn all(
    settings: &ServerSettings,
    (hosts, tracer): (AllowedHosts, Option<Tracer>),
    limits: CallerLimits,
    store: Store,
    feed: Feed,
    files: Reloaded,
    shutdown: Shutdown,
) -> Result<Served, InvalidSchema> {
    let api_settings = ApiSettings {
        query_timeout: settings.request_timeout,
        idempotency_retention: settings.idempotency_retention,
        concurrency: concurrency(settings, &store),
        keep_statements: tracer.is_some(),
        ..(&settings.limits).into()
    };
    let Reloaded {
        admission,
        persisted,
        tls,
    } = files;
    let app = App {
        admission: admission.clone(),
        limits: limits.clone(),
        api: Api::new(store.clone(), feed, api_settings)?,
        store,
        request_timeout: settings.request_timeout,
    };
    let operations = OperationMetrics::default();
    let pipeline_settings = PipelineSettings {
        persisted,
        request_cache_bytes: settings.limits.document_cache_bytes / 8,
        subscribe_timeout: settings.request_timeout,
        shutdown: shutdown.clone(),
        metrics: operations.clone(),
    };
    let shown = observer_settings(&settings.observe);
    let observer = Observer::new(operations.clone(), shown, tracer.clone());
    let engine = ApiEngine::new(app.api.clone(), observer);
    let admitted = admission.clone();
    let graphql = Endpoint {
        execute: Pipeline::with(engine, admitted, limits.clone(), pipeline_settings),
        page: Some(graphiql::front_page(
            &settings.service_name,
            &settings.description,
        )),
        max_body_bytes: settings.max_body_bytes,
        decoded: Some(middleware::DECODED),
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
    // A caller that may not introspect the schema must not read it here either.
    let schema_route = match settings.limits.introspection {
        true => get(schema),
        false => get(not_found),
    };
    let requests = RequestMetrics::default();
    let parts = Parts {
        admission,
        limits,
        api: app.api.clone(),
        store: app.store.clone(),
        tls,
        tracer: tracer.clone(),
    };
    let metrics = Metrics::new(&requests, &operations, parts);
    let watched = watched(metrics);
    let admin = watched.clone().fallback(not_found).with_state(app.clone());
    // With an admin address, metrics are served only there.
    let watched = match settings.admin_address {
        Some(_) => health(),
        None => watched,
    };
    let others = Router::new()
        .route(
            paths::FRONT_PAGE,
            get(async || Redirect::temporary(paths::GRAPHQL)),
        )
        // No request timeout: a million articles take longer, and a slow reader holds no connection to the database.
        .route(paths::ARTICLES, get(articles::all))
        .route(paths::ARTICLES_WITHOUT_SLASH, get(articles::all))
        .route(paths::SCHEMA, schema_route)
        .merge(watched)
        .merge(graphiql::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app);
    let origins = settings.cors_origins.as_slice().into();
    let routes = Routes {
        graphql: Arc::new(graphql),
        others,
    };
    Ok(Served {
        all: middleware::around(
            routes,
            hosts,
            origins,
            requests,
            Reporting {
                log_requests: settings.observe.log_requests,
                tracer,
            },
        ),
        admin,
    })
}

fn observer_settings(settings: &ObserveSettings) -> ObserverSettings {
    ObserverSettings {
        log_requests: settings.log_requests,
        slow: settings.log_slow_operations,
        server_timing: settings.server_timing,
    }
}

/// Operations of a kind that are executed at a time, for each connection to the database: enough to keep it busy and to
/// gather lookups and writes into batches.
const EXECUTED: usize = 7;

/// Operations of a kind that are executed or wait in the order of arrival, for each connection to the database.
const IN_ORDER: usize = 30;

fn concurrency(settings: &ServerSettings, store: &Store) -> ConcurrencySettings {
    let connections = store.pool_status().iter().map(|pool| pool.most).max();
    let connections = connections.unwrap_or(1);
    let most = settings.max_concurrent_operations;
    let most = most.unwrap_or(EXECUTED.saturating_mul(connections));
    let in_order = IN_ORDER
        .saturating_mul(connections)
        .max(most.saturating_mul(2));
    ConcurrencySettings {
        most,
        in_order: in_order.saturating_sub(most),
        wait: settings.operation_wait,
        is_enforced: settings.caller_limits.limits_mode == LimitsMode::Enforce,
    }
}

/// The routes of both addresses.
pub(super) struct Served {
    pub(super) all: Middleware<ApiPipeline>,
    /// For monitoring.
    pub(super) admin: Router,
}

fn health() -> Router<App> {
    Router::new()
        .route(paths::ALIVE, get(async || "alive\n"))
        .route(paths::READY, get(health::ready))
}

fn watched(metrics: Metrics) -> Router<App> {
    health().route(paths::METRICS, get(metrics::page).with_state(metrics))
}

/// Callers that may introspect the schema may also read it here.
async fn schema(
    State(app): State<App>,
    Extension(peer): Extension<PeerAddress>,
    headers: HeaderMap,
) -> Response {
    app.for_readers(peer, &headers, async |_| {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        ([(header::CONTENT_TYPE, text)], api::sdl()).into_response()
    })
    .await
}

impl App {
    /// The response of a read route, if the caller may read and its budget is not exhausted.
    pub(super) async fn for_readers(
        &self,
        peer: PeerAddress,
        headers: &HeaderMap,
        answer: impl AsyncFnOnce(CallerKey) -> Response,
    ) -> Response {
        let credential = Credential::from_headers(headers);
        let caller = match self.admission.admit(credential, Scope::Read).await {
            Ok(caller) => caller,
            Err(rejection) => return http::not_admitted(rejection),
        };
        let key = self.limits.key(caller.identity(), peer, headers);
        let charged = self.limits.charge(|| key.clone(), REQUEST_COST);
        let rate_limit = match charged {
            Ok(rate_limit) => rate_limit,
            Err(rejection) => return http::not_admitted(rejection),
        };
        let mut response = answer(key).await;
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("authorization"));
        if !caller.is_anonymous() {
            headers.insert(header::CACHE_CONTROL, http::PRIVATE);
        }
        if let Some(rate_limit) = rate_limit {
            rate_limit.write_if_absent(headers);
        }
        response
    }
}

/// The response for an unknown path.
pub(super) async fn not_found() -> Response {
    http::rejection(
        StatusCode::NOT_FOUND,
        ErrorCode::BAD_REQUEST,
        "there is nothing at this path; GraphQL is served at /graphql",
    )
}

/// axum adds the header `Allow`.
async fn method_not_allowed() -> Response {
    http::rejection(
        StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::BAD_REQUEST,
        "this method is not supported at this path; the header Allow lists those that are",
    )
}
