//! `GET /metrics`: what the server counts, in the text form that Prometheus reads.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::api::Api;
use crate::coalesce::Counts;
use crate::store::Store;

/// Upper bounds of the histogram of durations, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The counters of a server. Clones share them.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
}

/// What requests are told apart by. Each has few values, whatever clients send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    /// The route, not the path.
    route: String,
    status: u16,
}

impl Metrics {
    pub(super) fn new(api: Api, store: Store) -> Self {
        let requests = Family::default();
        let seconds: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let mut registry = Registry::with_prefix("broadsheet");
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register(
            "http_request_seconds",
            "Time until the head of the answer",
            seconds.clone(),
        );
        registry.register_collector(Box::new(Shared { api, store }));
        Self {
            registry: Arc::new(registry),
            requests,
            seconds,
        }
    }
}

/// Counts a request when its answer begins.
pub(super) async fn layer(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let response = next.run(request).await;
    let labels = Labels {
        route,
        status: response.status().as_u16(),
    };
    metrics
        .seconds
        .get_or_create(&labels)
        .observe(began.elapsed().as_secs_f64());
    metrics.requests.get_or_create(&labels).inc();
    response
}

/// The page itself.
pub(super) async fn page(State(metrics): State<Metrics>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &metrics.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What the parts of the server count themselves, read when somebody asks.
struct Shared {
    api: Api,
    store: Store,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Collector for Shared {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut counter = |name: &str, help: &str, value: u64| {
            let counter = ConstCounter::new(value);
            let encoder = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(encoder)
        };
        let Counts { executions, joins } = self.api.shared_reads();
        counter("query_executions", "Queries executed", executions)?;
        counter(
            "query_joins",
            "Queries answered by the execution of an equal one",
            joins,
        )?;
        let Counts { executions, joins } = self.store.shared_lookups();
        counter(
            "lookup_loads",
            "Statements that looked articles up by id or slug",
            executions,
        )?;
        counter(
            "lookup_joins",
            "Lookups that went along in the statement of another",
            joins,
        )?;
        let mut gauge = |name: &str, help: &str, value: usize| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(encoder)
        };
        let pool = self.store.pool_status();
        gauge(
            "pool_connections",
            "Connections to the database",
            pool.connections,
        )?;
        gauge("pool_idle", "Connections that nobody uses", pool.idle)?;
        gauge(
            "pool_waiting",
            "Requests that wait for a connection",
            pool.waiting,
        )
    }
}
