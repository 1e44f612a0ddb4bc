//! Observes each operation on every transport: the log reports slow ones or all of them, and `Server-Timing` the
//! durations of their parts.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use graphql_guard::{Operation, Timings};
use graphql_transports::engine::{EndedOperation, ExecutionResult};
use graphql_transports::{Outcome, Transport};
use otlp_spans::{TRACEPARENT, Tracer};
use sha2::{Digest as _, Sha256};

use super::metrics::OperationMetrics;
use crate::admission::{self, Scope};
use crate::api::{Executed, Statements};
use crate::error::ErrorCode;
use crate::observed::{self, ObservedOperation, Phases, milliseconds, trace};

/// The maximum characters of an operation's name in the log.
const NAME_LENGTH: usize = 64;

type Ended<'o> = EndedOperation<'o, admission::Caller, Operation>;

/// Observes operations. Clones share the metrics.
#[derive(Clone, Debug)]
pub struct Observer {
    metrics: OperationMetrics,
    settings: ObserverSettings,
    tracer: Option<Tracer>,
}

/// How operations are reported, besides metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObserverSettings {
    /// Whether each request is logged.
    pub log_requests: bool,
    /// The duration from which an operation is logged as slow; zero for never.
    pub slow: Duration,
    /// Whether all callers get `Server-Timing`, and not only those with the scope for it.
    pub server_timing: bool,
}

/// What the engine has recorded about an operation. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Observation(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Not set where the operation was found by the bytes of its request.
    timings: OnceLock<Timings>,
    execution: OnceLock<Execution>,
}

#[derive(Debug)]
struct Execution {
    /// What it did on the database, unless it shared another's execution.
    statements: Option<Arc<Statements>>,
    is_shared: bool,
}

impl Observation {
    pub(super) fn is_prepared(&self, timings: Timings) {
        // An operation is prepared once.
        let _ = self.0.timings.set(timings);
    }

    /// Records what an execution did, and returns its result.
    pub(super) fn is_executed(&self, executed: Executed) -> ExecutionResult {
        let is_shared = executed.is_shared();
        let Executed { result, statements } = executed;
        let _ = self.0.execution.set(Execution {
            statements,
            is_shared,
        });
        result
    }

    fn statements(&self) -> Option<&Statements> {
        self.0.execution.get()?.statements.as_deref()
    }
}

impl Observer {
    /// Counts into `metrics`. `tracer` traces operations on sockets; the server traces others with their requests.
    pub fn new(
        metrics: OperationMetrics,
        settings: ObserverSettings,
        tracer: Option<Tracer>,
    ) -> Self {
        Self {
            metrics,
            settings,
            tracer,
        }
    }

    /// Called with the outcome of an operation.
    pub(super) fn observe(&self, ended: &Ended<'_>, observation: &Observation) {
        let Self {
            metrics,
            settings,
            tracer,
        } = self;
        if let Some(timings) = observation.0.timings.get() {
            metrics.prepared(timings);
        }
        let admitted = &ended.caller.admitted;
        let is_slow = !settings.slow.is_zero() && ended.duration >= settings.slow;
        let may_see_timing = settings.server_timing || admitted.scopes().allow(Scope::Timing);
        if !is_slow && !may_see_timing && !settings.log_requests && tracer.is_none() {
            return;
        }
        let observed = observed(ended, observation, may_see_timing);
        if is_slow {
            log_slow(&observed, ended.duration, observation.statements());
        }
        match ended.transport {
            Transport::WebSocket => {
                if settings.log_requests {
                    log_on_socket(&observed, ended);
                }
                if let Some(tracer) = tracer {
                    trace_on_socket(tracer, &observed, ended);
                }
            }
            _ => observed::set(Box::new(observed)),
        }
    }
}

fn observed(
    ended: &Ended<'_>,
    observation: &Observation,
    may_see_timing: bool,
) -> ObservedOperation {
    let (name, document) = match (ended.operation, ended.params) {
        (Some(operation), _) => (operation.name.as_deref(), Some(operation.document_sha256)),
        // The name in the request, where the document is invalid.
        (None, Some(params)) => {
            let query = params.query.as_deref();
            let sha256 = query.map(|query| Sha256::digest(query).into());
            (params.operation_name.as_deref(), sha256)
        }
        (None, None) => (None, None),
    };
    let statements = observation.statements();
    let timings = observation.0.timings.get().copied().unwrap_or_default();
    let execution = observation.0.execution.get();
    ObservedOperation {
        kind: ended.operation.map(|operation| operation.kind),
        name: name.map(shortened),
        document,
        code: first_code(ended.outcome),
        is_anonymous: ended.caller.admitted.is_anonymous(),
        may_see_timing,
        is_shared: execution.is_some_and(|execution| execution.is_shared),
        rows: statements.map_or(0, Statements::rows),
        began: Some(ended.began),
        statements: execution.and_then(|execution| execution.statements.clone()),
        phases: Phases {
            parse: timings.parse,
            validate: timings.validate,
            prepare: ended.prepared_after.unwrap_or(ended.duration),
            execute: ended
                .prepared_after
                .map(|prepared| ended.duration.saturating_sub(prepared)),
            wait: statements.map_or(Duration::ZERO, Statements::waited),
            database: statements.map_or(Duration::ZERO, Statements::taken),
        },
    }
}

fn log_slow(operation: &ObservedOperation, duration: Duration, statements: Option<&Statements>) {
    let slowest = statements.and_then(Statements::slowest);
    observed::log!(warn, "broadsheet::slow", operation, {
        duration_ms = milliseconds(duration),
        statement = slowest.as_ref().map(|slowest| slowest.sql.as_str()),
        statement_ms = slowest.as_ref().map(|slowest| milliseconds(slowest.duration)),
    }, "a slow operation");
}

/// On a socket each operation is logged like a request.
fn log_on_socket(operation: &ObservedOperation, ended: &Ended<'_>) {
    if operation.is_anonymous {
        tracing::Span::current().record("caller", "anonymous");
    }
    let bytes = match ended.outcome {
        Outcome::Single(body) | Outcome::Replayed(body) => Some(body.json.len()),
        _ => None,
    };
    observed::log!(info, "broadsheet::requests", operation, {
        duration_ms = milliseconds(ended.duration),
        bytes,
    }, "answered on a WebSocket");
}

/// The handshake may belong to a trace; its operations then belong to it, too.
fn trace_on_socket(tracer: &Tracer, operation: &ObservedOperation, ended: &Ended<'_>) {
    let caller = ended.caller.headers.get(TRACEPARENT);
    let trace = tracer.begin(caller.and_then(|value| value.to_str().ok()));
    if trace.is_sampled {
        let name = "graphql.operation".to_owned();
        let began = ended.began;
        tracer.end(trace::spans(
            &trace,
            name,
            began,
            Vec::new(),
            Some(operation),
        ));
    }
}

fn first_code(outcome: &Outcome) -> Option<ErrorCode> {
    match outcome {
        Outcome::Rejected(rejection) | Outcome::NotBegun(rejection) => {
            rejection.errors.iter().map(|error| error.code).next()
        }
        Outcome::Single(body) | Outcome::Replayed(body) => body.codes.first().copied(),
        Outcome::Stream(_) => None,
    }
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_LENGTH) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
