//! `GET /metrics`: the server's metrics, in the Prometheus text format.

mod admission;
mod caller_limits;
mod feed;
mod overload;
mod pools;
mod process;
mod sent;
mod tls;
mod traces;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::body::HttpBody as _;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::admission::AdmissionMetrics;
use self::caller_limits::CallerLimitMetrics;
use self::feed::FeedMetrics;
use self::overload::OverloadMetrics;
use self::process::ProcessMetrics;
use self::tls::TlsMetrics;
use self::traces::TraceMetrics;
use super::paths;
use crate::admission::Admission;
use crate::api::Api;
use crate::caller_limits::CallerLimits;
use crate::connections::Tls;
use crate::graphql::metrics::OperationMetrics;
use crate::store::Store;
use coalesce::Counts;
use otlp_spans::Tracer;

/// Upper bounds of the histogram of durations, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// All metrics of a server. Clones share them.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    feed: FeedMetrics,
}

/// Parts with counters of their own, which are read when metrics are requested.
pub(super) struct Parts {
    pub(super) admission: Admission,
    pub(super) limits: CallerLimits,
    pub(super) api: Api,
    pub(super) store: Store,
    pub(super) tls: Option<Tls>,
    pub(super) tracer: Option<Tracer>,
}

/// The metrics of requests. Clones share them.
#[derive(Clone)]
pub(super) struct RequestMetrics {
    requests: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    response_bytes: Family<RouteLabel, Counter>,
    usual: Arc<Usual>,
}

/// The metrics that nearly all requests need, found once: each lookup by labels hashes them.
#[derive(Default)]
struct Usual {
    /// Of GraphQL requests with status 200.
    answered: OnceLock<(Counter, Histogram)>,
    /// Of GraphQL requests.
    response_bytes: OnceLock<Counter>,
}

/// The labels of requests. Each has few values, whatever clients send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
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
            tracer,
        } = parts;
        let mut all = Registry::default();
        operations.register(&mut all);
        all.register_collector(Box::new(ProcessMetrics));
        let registry = all.sub_registry_with_prefix("broadsheet");
        process::register_build(registry);
        let RequestMetrics {
            requests,
            seconds,
            response_bytes,
            usual: _,
        } = requests.clone();
        registry.register("http_requests", "Requests answered", requests);
        registry.register(
            "http_request_seconds",
            "Time until the head of the response",
            seconds,
        );
        registry.register(
            "http_response_body_bytes",
            "Bytes of the bodies of responses, as they are sent",
            response_bytes,
        );
        registry.register_collector(Box::new(OverloadMetrics(api.clone())));
        let feed = FeedMetrics::new(api.clone());
        registry.register_collector(Box::new(feed.clone()));
        registry.register_collector(Box::new(Shared { api, store }));
        registry.register_collector(Box::new(AdmissionMetrics(admission)));
        registry.register_collector(Box::new(CallerLimitMetrics(limits)));
        registry.register_collector(Box::new(TlsMetrics(tls)));
        registry.register_collector(Box::new(TraceMetrics(tracer)));
        Self {
            registry: Arc::new(all),
            feed,
        }
    }
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            response_bytes: Family::default(),
            usual: Arc::default(),
        }
    }
}

impl RequestMetrics {
    /// Counts a request when its response begins.
    pub(super) fn count(&self, route: Route, status: StatusCode, began: Instant) {
        let duration = began.elapsed().as_secs_f64();
        let labels = Labels {
            route: route.0,
            status: status.as_u16(),
        };
        let find = || {
            let requests = self.requests.get_or_create_owned(&labels);
            (requests, self.seconds.get_or_create_owned(&labels))
        };
        let is_usual = route.0 == paths::GRAPHQL && status == StatusCode::OK;
        let found;
        let (requests, seconds) = if is_usual {
            self.usual.answered.get_or_init(find)
        } else {
            found = find();
            &found
        };
        seconds.observe(duration);
        requests.inc();
    }

    /// Counts the bytes of a response's body: immediately where its length is known, otherwise while it is streamed.
    pub(super) fn count_body(&self, route: Route, response: &mut Response) {
        let label = RouteLabel { route: route.0 };
        let find = || self.response_bytes.get_or_create_owned(&label);
        let found;
        let bytes = if route.0 == paths::GRAPHQL {
            self.usual.response_bytes.get_or_init(find)
        } else {
            found = find();
            &found
        };
        match response.body().size_hint().exact() {
            Some(exact) => _ = bytes.inc_by(exact),
            None => sent::count(response, bytes.clone()),
        }
    }
}

/// The route of a request, which is its label: clients could make up any number of paths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route(&'static str);

impl Route {
    /// The name in metrics and traces.
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

/// The metrics as a page of text.
pub(super) async fn page(State(metrics): State<Metrics>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    metrics.feed.refresh().await;
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &metrics.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Reads the counters of the server's parts when metrics are requested.
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
            "Queries that shared the execution of an equal one",
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
            "Lookups that shared the statement of another",
            joins,
        )?;
        pools::encode(&self.store.pool_status(), &mut encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_paths_do_not_grow_the_page() {
        let (metrics, mut registry) = (RequestMetrics::default(), Registry::default());
        registry.register("requests", "", metrics.requests.clone());
        registry.register("seconds", "", metrics.seconds.clone());
        registry.register("bytes", "", metrics.response_bytes.clone());
        let ask = |from: u32, to: u32| {
            for number in from..to {
                let paths = [
                    format!("/path/{number}"),
                    format!("/graphiql/{number}"),
                    format!("/graphql/{number}"),
                    format!("/metrics{number}"),
                ];
                for path in paths {
                    let route = Route::of(&path);
                    metrics.count(route, StatusCode::NOT_FOUND, Instant::now());
                    metrics.count_body(route, &mut Response::default());
                }
            }
            let mut page = String::new();
            prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
            page.lines().count()
        };
        let few = ask(0, 1);
        assert_eq!(ask(1, 25_000), few);
    }
}
