//! The observation of a request's operation, for its line in the log and for `Server-Timing`.
//!
//! The engine knows the operation, and the server knows the response. So the engine stores its observation in the task
//! of the request, and the server takes it when the response is ready. Operations on a WebSocket run in other tasks,
//! where no one takes it, so the engine logs them itself.

pub(crate) mod trace;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use graphql_guard::OperationKind;

use crate::error::ErrorCode;
use crate::store::Statements;

tokio::task_local! {
    static OPERATION: Cell<Option<Box<ObservedOperation>>>;
}

/// An operation that has ended, or a subscription that has begun.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObservedOperation {
    /// `None` where the document is invalid.
    pub kind: Option<OperationKind>,
    /// The operation's name, truncated where it is long. Clients choose it.
    pub name: Option<String>,
    /// The SHA-256 of the document.
    pub document: Option<[u8; 32]>,
    /// The code of the first error.
    pub code: Option<ErrorCode>,
    /// Whether its caller has no token, and therefore is not named in the log yet.
    pub is_anonymous: bool,
    /// Whether its caller may see the durations.
    pub may_see_timing: bool,
    /// Whether it shared another's execution.
    pub is_shared: bool,
    /// The number of articles that it has read or written itself.
    pub rows: u64,
    pub phases: Phases,
    /// When the engine received it.
    pub began: Option<Instant>,
    /// What it did on the database itself.
    pub statements: Option<Arc<Statements>>,
}

/// The durations of an operation's parts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Phases {
    /// `None` where the document was cached.
    pub parse: Option<Duration>,
    pub validate: Option<Duration>,
    /// The time until the operation could be executed, including parsing, validation and variables.
    pub prepare: Duration,
    /// The time from then until the response; `None` where it was not executed.
    pub execute: Option<Duration>,
    /// The part of it that was spent waiting for database connections.
    pub wait: Duration,
    /// The total duration of its statements, some of which may have run at the same time.
    pub database: Duration,
}

/// Runs the handler of a request, and keeps the observation of its operation.
///
/// Not an `async fn`, which would copy the future when it is first polled.
pub(crate) fn observing<T>(answer: impl Future<Output = T>) -> impl Future<Output = T> {
    OPERATION.scope(Cell::default(), answer)
}

/// Stores an observation for the request of this task, if it serves one.
pub(crate) fn set(operation: Box<ObservedOperation>) {
    let _ = OPERATION.try_with(|cell| cell.set(Some(operation)));
}

/// Takes the observation of this task's request.
pub(crate) fn take() -> Option<Box<ObservedOperation>> {
    OPERATION.try_with(Cell::take).ok().flatten()
}

/// The fields of a log line about an operation, besides its kind.
macro_rules! log {
    ($level:ident, $target:literal, $operation:expr, { $($more:tt)* }, $message:literal) => {{
        let operation: &$crate::observed::ObservedOperation = $operation;
        let phases = operation.phases;
        let milliseconds = $crate::observed::milliseconds;
        let mut digits = [0; 64];
        let document = operation.document.as_ref();
        let document = document.map(|sha256| $crate::observed::hexadecimal(sha256, &mut digits));
        tracing::$level!(
            target: $target,
            $($more)*
            operation = operation.kind.map($crate::observed::kind),
            name = operation.name.as_deref(),
            document,
            code = operation.code.map(|code| code.as_str()),
            parse_ms = phases.parse.map(milliseconds),
            validate_ms = phases.validate.map(milliseconds),
            prepare_ms = milliseconds(phases.prepare),
            execute_ms = phases.execute.map(milliseconds),
            wait_ms = milliseconds(phases.wait),
            database_ms = milliseconds(phases.database),
            rows = operation.rows,
            shared = operation.is_shared,
            $message
        )
    }};
}
pub(crate) use log;

/// Writes a hash into `digits`, without allocating.
pub(crate) fn hexadecimal<'d>(sha256: &[u8; 32], digits: &'d mut [u8; 64]) -> &'d str {
    // They have room for all digits.
    base16ct::lower::encode_str(sha256, digits).unwrap_or_default()
}

/// The name of an operation's kind in the log and in metrics.
pub(crate) fn kind(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Query => "query",
        OperationKind::Mutation => "mutation",
        OperationKind::Subscription => "subscription",
    }
}

/// A duration for the log and for `Server-Timing`, in milliseconds with three decimals.
#[expect(clippy::cast_precision_loss, reason = "none before 285 years")]
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

impl Phases {
    /// The value of the header `Server-Timing`.
    pub(crate) fn server_timing(&self, total: Duration) -> String {
        let ran = |duration: Duration| self.execute.is_some().then_some(duration);
        let parts = [
            ("parse", self.parse),
            ("validate", self.validate),
            ("prepare", Some(self.prepare)),
            ("wait", ran(self.wait)),
            ("database", ran(self.database)),
            ("execute", self.execute),
            ("total", Some(total)),
        ];
        let parts = parts
            .into_iter()
            .filter_map(|(name, duration)| Some(format!("{name};dur={}", milliseconds(duration?))));
        parts.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_observation_is_taken_once_by_the_request_of_its_task() {
        set(Box::default());
        assert!(take().is_none());
        let taken = observing(async {
            set(Box::default());
            (take().is_some(), take().is_some())
        });
        assert_eq!(taken.await, (true, false));
    }

    #[test]
    fn server_timing_contains_the_parts_that_occurred() {
        let mut phases = Phases {
            prepare: Duration::from_micros(42_900),
            ..Phases::default()
        };
        let total = Duration::from_millis(43);
        assert_eq!(
            phases.server_timing(total),
            "prepare;dur=42.9, total;dur=43"
        );
        phases.parse = Some(Duration::from_micros(7));
        phases.execute = Some(Duration::from_nanos(1_999));
        let expected = "parse;dur=0.007, prepare;dur=42.9, wait;dur=0, database;dur=0, execute;dur=0.001, total;dur=43";
        assert_eq!(phases.server_timing(total), expected);
    }
}
