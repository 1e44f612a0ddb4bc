//! `GET /metrics`: what the server counts, in the text form that Prometheus reads.

mod admission;
mod caller_limits;
mod overload;
mod pools;
mod process;
mod tls;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::admission::AdmissionMetrics;
use self::caller_limits::CallerLimitMetrics;
use self::overload::OverloadMetrics;
use self::process::ProcessMetrics;
use self::tls::TlsMetrics;
use super::paths;
use crate::admission::Admission;
use crate::api::Api;
use crate::caller_limits::CallerLimits;
use crate::connections::Tls;
use crate::graphql::metrics::OperationMetrics;
use crate::store::Store;
use coalesce::Counts;

/// Upper bounds of the histogram of durations, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// All that a server counts. Clones share it.
#[derive(Clone)]
pub(super) struct Metrics(Arc<Registry>);

/// What counts by itself, and is asked when metrics are requested.
pub(super) struct Parts {
    pub(super) admission: Admission,
    pub(super) limits: CallerLimits,
    pub(super) api: Api,
    pub(super) store: Store,
    pub(super) tls: Option<Tls>,
}

/// What is counted of requests. Clones share it.
#[derive(Clone)]
pub(super) struct RequestMetrics {
    requests: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
}

/// What requests are told apart by. Each has few values, whatever clients send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: &'static str,
    status: u16,
}

impl Metrics {
    pub(super) fn new(
        requests: &RequestMetrics,
        operations: &OperationMetrics,
        parts: Parts,
    ) -> Self {
        let Parts {
            admission,
            limits,
            api,
            store,
            tls,
        } = parts;
        let mut all = Registry::default();
        operations.register(&mut all);
        all.register_collector(Box::new(ProcessMetrics));
        let registry = all.sub_registry_with_prefix("broadsheet");
        process::register_build(registry);
        let RequestMetrics { requests, seconds } = requests.clone();
        registry.register("http_requests", "Requests answered", requests);
        registry.register(
            "http_request_seconds",
            "Time until the head of the answer",
            seconds,
        );
        registry.register_collector(Box::new(OverloadMetrics(api.clone())));
        registry.register_collector(Box::new(Shared { api, store }));
        registry.register_collector(Box::new(AdmissionMetrics(admission)));
        registry.register_collector(Box::new(CallerLimitMetrics(limits)));
        if let Some(tls) = tls {
            registry.register_collector(Box::new(TlsMetrics(tls)));
        }
        Self(Arc::new(all))
    }
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        }
    }
}

impl RequestMetrics {
    /// Counts a request when its answer begins.
    pub(super) fn count(&self, route: Route, status: StatusCode, began: Instant) {
        let labels = Labels {
            route: route.0,
            status: status.as_u16(),
        };
        let seconds = began.elapsed().as_secs_f64();
        self.seconds.get_or_create(&labels).observe(seconds);
        self.requests.get_or_create(&labels).inc();
    }
}

/// The route of a request, by which it is counted: not the path, of which clients can make up as many as they like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route(&'static str);

impl Route {
    /// As metrics and traces name it.
    pub(super) fn name(self) -> &'static str {
        self.0
    }

    pub(super) fn of(path: &str) -> Self {
        let path = match path {
            paths::ARTICLES_WITHOUT_SLASH => paths::ARTICLES,
            path => path,
        };
        let fixed = paths::ALL.into_iter().find(|&route| route == path);
        Self(
            fixed.unwrap_or_else(|| match path.starts_with("/graphiql/") {
                true => "/graphiql",
                false => "none",
            }),
        )
    }
}

/// The page itself.
pub(super) async fn page(State(metrics): State<Metrics>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &metrics.0) {
        Ok(()) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What the parts of the server count themselves, read when metrics are requested.
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
        let subscribers = i64::try_from(self.api.subscribers()).unwrap_or(i64::MAX);
        let subscribers = ConstGauge::new(subscribers);
        let help = "Subscriptions to the changes of articles";
        let kind = subscribers.metric_type();
        subscribers.encode(encoder.encode_descriptor("feed_subscribers", help, None, kind)?)?;
        pools::encode(&self.store.pool_status(), &mut encoder)
    }
}
