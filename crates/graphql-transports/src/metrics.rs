//! Metrics of GraphQL operations on every transport, with the names of the GraphQL working group's OpenTelemetry
//! conventions (graphql/otel-wg) in Prometheus notation.
//!
//! No label has a value that clients can choose: the name of an operation is a label only where its document is
//! trusted, and the number of names is limited.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::error::ErrorCode;
use super::operation::Outcome;
use graphql_guard::{OperationKind, Timings};

/// Upper bounds of the histograms, in seconds.
const SECONDS: [f64; 12] = [
    0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// The label of operations whose document is not trusted, or whose name is beyond the limit.
const OTHER: &str = "other";

/// The maximum number of operation names that become labels, and the maximum bytes of each.
const NAMES: usize = 200;
const NAME_BYTES: usize = 64;

/// Counts operations. Clones share it.
#[derive(Clone, Debug)]
pub struct OperationMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    duration: Family<OperationLabels, Histogram, fn() -> Histogram>,
    /// The durations of queries without errors, found once: each lookup by labels hashes them.
    usual: OnceLock<Histogram>,
    /// Of documents that were not cached.
    parse: Histogram,
    validate: Histogram,
    /// Until an operation may run: its document is found, parsed and validated, and its variables are coerced.
    prepare: Histogram,
    execute: Histogram,
    errors: Family<ErrorLabels, Counter>,
    active: Gauge,
    /// Requests whose body was cached; and of the others, those whose document was.
    known_requests: Counter,
    known_documents: Counter,
    /// The names of trusted documents' operations.
    names: RwLock<HashSet<&'static str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    graphql_operation_type: &'static str,
    graphql_operation_name: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    error_type: &'static str,
}

impl Default for OperationMetrics {
    fn default() -> Self {
        let histogram = || Histogram::new(SECONDS);
        Self(Arc::new(Inner {
            duration: Family::new_with_constructor(histogram),
            usual: OnceLock::new(),
            parse: histogram(),
            validate: histogram(),
            prepare: histogram(),
            execute: histogram(),
            errors: Family::default(),
            active: Gauge::default(),
            known_requests: Counter::default(),
            known_documents: Counter::default(),
            names: RwLock::default(),
        }))
    }
}

impl OperationMetrics {
    /// Registers the metrics in this registry.
    pub fn register(&self, registry: &mut Registry) {
        let Inner {
            duration,
            parse,
            validate,
            prepare,
            execute,
            errors,
            active,
            known_requests,
            known_documents,
            ..
        } = &*self.0;
        registry.register(
            "graphql_server_request_duration_seconds",
            "Time from an operation's arrival to its response, or to the start of its subscription",
            duration.clone(),
        );
        for (part, help, histogram) in [
            (
                "parse",
                "Time to parse documents that were not cached",
                parse,
            ),
            (
                "validate",
                "Time to validate documents that were not cached",
                validate,
            ),
            (
                "prepare",
                "Time until an operation can be executed: parsing, validation and reading variables",
                prepare,
            ),
            (
                "execute",
                "Time from then to the result, including the wait for a shared execution",
                execute,
            ),
        ] {
            let name = format!("graphql_server_request_{part}_duration_seconds");
            registry.register(name, help, histogram.clone());
        }
        registry.register(
            "graphql_server_response_errors",
            "Errors in responses, by extensions.code",
            errors.clone(),
        );
        registry.register(
            "graphql_server_active_requests",
            "Operations under way, without subscriptions that have begun",
            active.clone(),
        );
        registry.register(
            "graphql_server_request_cache_hits",
            "Requests with a repeated body, which was not parsed again",
            known_requests.clone(),
        );
        registry.register(
            "graphql_server_document_cache_hits",
            "Repeated documents of other requests, which were not parsed and validated again",
            known_documents.clone(),
        );
    }

    /// Records how long a document took to be parsed and validated. An [`Engine`](super::Engine) that knows this calls
    /// it.
    pub fn prepared(&self, timings: &Timings) {
        let Inner {
            parse,
            validate,
            known_documents,
            ..
        } = &*self.0;
        if timings.parse.is_none() {
            known_documents.inc();
        }
        for (histogram, took) in [(parse, timings.parse), (validate, timings.validate)] {
            if let Some(took) = took {
                histogram.observe(took.as_secs_f64());
            }
        }
    }

    /// Counts a request whose body was cached.
    pub(super) fn is_known(&self) {
        self.0.known_requests.inc();
    }

    /// Counts an operation as under way until this value is dropped.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.0.active.inc();
        UnderWay {
            metrics: self,
            began: Instant::now(),
            prepared_after: None,
            kind: None,
            name: OTHER,
        }
    }

    /// Counts the errors of an outcome, and returns whether it has any.
    fn count_errors(&self, outcome: &Outcome) -> bool {
        let count = |codes: &mut dyn Iterator<Item = ErrorCode>| {
            let mut has_any = false;
            for code in codes {
                has_any = true;
                let labels = ErrorLabels {
                    error_type: code.as_str(),
                };
                self.0.errors.get_or_create(&labels).inc();
            }
            has_any
        };
        match outcome {
            Outcome::Rejected(rejection) | Outcome::NotBegun(rejection) => {
                count(&mut rejection.errors.iter().map(|error| error.code))
            }
            Outcome::Single(body) | Outcome::Replayed(body) => {
                count(&mut body.codes.iter().copied())
            }
            Outcome::Stream(_) => false,
        }
    }

    /// The label for the name of a trusted document's operation. Manifests may be reloaded, so the total number of
    /// names over time is limited.
    fn label(&self, name: &str) -> &'static str {
        let names = self.0.names.read();
        let names = names.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return known;
        }
        let is_one_more = names.len() < NAMES && name.len() <= NAME_BYTES;
        drop(names);
        if !is_one_more {
            return OTHER;
        }
        let mut names = self.0.names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return known;
        }
        if names.len() >= NAMES {
            return OTHER;
        }
        // Leaked, because it is needed as long as the program runs, and there are few.
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        names.insert(name);
        name
    }
}

/// An operation under way.
pub(super) struct UnderWay<'m> {
    metrics: &'m OperationMetrics,
    pub(super) began: Instant,
    /// The time from then until it was prepared.
    pub(super) prepared_after: Option<Duration>,
    kind: Option<OperationKind>,
    name: &'static str,
}

impl UnderWay<'_> {
    /// It may be executed. The name is that of an operation whose document is trusted.
    pub(super) fn is_prepared(&mut self, kind: OperationKind, name: Option<&str>) {
        let took = self.took();
        self.kind = Some(kind);
        self.prepared_after = Some(took);
        self.metrics.0.prepare.observe(took.as_secs_f64());
        if let Some(name) = name {
            self.name = self.metrics.label(name);
        }
    }

    /// It has ended with this outcome, after this time.
    pub(super) fn ends_with(self, outcome: &Outcome, duration: Duration) {
        let has_errors = self.metrics.count_errors(outcome);
        let Inner {
            duration: durations,
            usual,
            ..
        } = &*self.metrics.0;
        let labels = OperationLabels {
            graphql_operation_type: match self.kind {
                Some(OperationKind::Query) => "query",
                Some(OperationKind::Mutation) => "mutation",
                Some(OperationKind::Subscription) => "subscription",
                None => "unknown",
            },
            graphql_operation_name: self.name,
            outcome: if has_errors { "error" } else { "success" },
        };
        let find = || durations.get_or_create_owned(&labels);
        let is_usual = self.kind == Some(OperationKind::Query) && self.name == OTHER && !has_errors;
        match is_usual {
            true => usual.get_or_init(find).observe(duration.as_secs_f64()),
            false => find().observe(duration.as_secs_f64()),
        }
        if let Some(prepared_after) = self.prepared_after {
            let executed = duration.saturating_sub(prepared_after);
            self.metrics.0.execute.observe(executed.as_secs_f64());
        }
    }

    /// The time until now.
    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.metrics.0.active.dec();
    }
}

#[cfg(test)]
mod tests;
