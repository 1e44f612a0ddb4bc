//! What is counted of GraphQL operations, on every transport, by the names of the GraphQL working group's OpenTelemetry
//! conventions (graphql/otel-wg) as Prometheus writes them.
//!
//! No label has a value that clients make up: the name of an operation is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::error::ErrorCode;
use super::operation::Outcome;
use graphql_guard::OperationKind;

/// Upper bounds of the histograms, in seconds.
const SECONDS: [f64; 12] = [
    0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Counts operations. Clones share it.
#[derive(Clone, Debug)]
pub struct OperationMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    duration: Family<OperationLabels, Histogram, fn() -> Histogram>,
    /// Until an operation may run: the document is found, parsed and validated, and its variables are read.
    prepare: Histogram,
    errors: Family<ErrorLabels, Counter>,
    active: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    graphql_operation_type: &'static str,
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
            prepare: histogram(),
            errors: Family::default(),
            active: Gauge::default(),
        }))
    }
}

impl OperationMetrics {
    /// Has them shown in this registry.
    pub fn register(&self, registry: &mut Registry) {
        let Inner {
            duration,
            prepare,
            errors,
            active,
        } = &*self.0;
        registry.register(
            "graphql_server_request_duration_seconds",
            "Time from an operation's arrival to its response, or to the begin of its subscription",
            duration.clone(),
        );
        registry.register(
            "graphql_server_request_prepare_duration_seconds",
            "The part of it until the operation may run: parsing, validation and reading variables",
            prepare.clone(),
        );
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
    }

    /// Begins to count an operation, which ends when this value is dropped.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.0.active.inc();
        UnderWay {
            metrics: self,
            began: Instant::now(),
            kind: None,
        }
    }
}

/// An operation under way.
pub(super) struct UnderWay<'m> {
    metrics: &'m OperationMetrics,
    began: Instant,
    kind: Option<OperationKind>,
}

impl UnderWay<'_> {
    /// It may run.
    pub(super) fn is_prepared(&mut self, kind: OperationKind) {
        self.kind = Some(kind);
        self.metrics.0.prepare.observe(self.took().as_secs_f64());
    }

    /// This is what became of it.
    pub(super) fn ends_with(self, outcome: &Outcome) {
        let codes = |codes: &mut dyn Iterator<Item = ErrorCode>| {
            let mut has_any = false;
            for code in codes {
                has_any = true;
                let labels = ErrorLabels {
                    error_type: code.as_str(),
                };
                self.metrics.0.errors.get_or_create(&labels).inc();
            }
            has_any
        };
        let has_errors = match outcome {
            Outcome::Rejected(rejection) | Outcome::NotBegun(rejection) => {
                codes(&mut rejection.errors.iter().map(|error| error.code))
            }
            Outcome::Single(body) | Outcome::Replayed(body) => {
                codes(&mut body.codes.iter().copied())
            }
            Outcome::Stream(_) => false,
        };
        let labels = OperationLabels {
            graphql_operation_type: match self.kind {
                Some(OperationKind::Query) => "query",
                Some(OperationKind::Mutation) => "mutation",
                Some(OperationKind::Subscription) => "subscription",
                None => "unknown",
            },
            outcome: if has_errors { "error" } else { "success" },
        };
        let seconds = self.took().as_secs_f64();
        let duration = self.metrics.0.duration.get_or_create(&labels);
        duration.observe(seconds);
    }

    fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.metrics.0.active.dec();
    }
}
