//! The spans of a completed request, with the names of OpenTelemetry's semantic conventions for HTTP and databases, and
//! of the GraphQL working group's for operations.

use std::time::{Duration, Instant, SystemTime};

use otlp_spans::{Kind, Span, Trace, Value};

use super::{ObservedOperation, hexadecimal, kind};

/// The span of a request that began at `began` and ends now, and the spans of its parts.
pub(crate) fn spans(
    trace: &Trace,
    name: String,
    began: Instant,
    attributes: Vec<(&'static str, Value)>,
    operation: Option<&ObservedOperation>,
) -> Vec<Span> {
    let clock = Clock::now();
    let mut request = Span::of_request(trace, name);
    (request.start, request.end) = (clock.at(began), clock.now);
    request.attributes = attributes;
    let Some(operation) = operation else {
        return vec![request];
    };
    if let Some(operation) = operation.kind {
        request.name = kind(operation).into();
    }
    request.is_error |= operation.code.is_some();
    request.attributes.extend(of_operation(operation));
    let mut spans = parts(&request, operation, &clock);
    spans.insert(0, request);
    spans
}

fn of_operation(operation: &ObservedOperation) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let rows = i64::try_from(operation.rows).unwrap_or(i64::MAX);
    let mut digits = [0; 64];
    let document = operation.document.as_ref();
    let document = document.map(|sha256| hexadecimal(sha256, &mut digits));
    let texts = [
        ("graphql.operation.type", operation.kind.map(kind)),
        ("graphql.operation.name", operation.name.as_deref()),
        ("graphql.document.hash", document),
        (
            "error.type",
            operation.code.as_ref().map(|code| code.as_str()),
        ),
    ];
    let texts = texts.into_iter();
    let mut attributes: Vec<_> = texts
        .filter_map(|(name, value)| Some((name, text(value?))))
        .collect();
    attributes.push(("broadsheet.rows", Value::Number(rows)));
    attributes.push(("broadsheet.shared", Value::Flag(operation.is_shared)));
    attributes
}

/// Parsing, validation, execution, and the statements within it.
fn parts(request: &Span, operation: &ObservedOperation, clock: &Clock) -> Vec<Span> {
    let Some(began) = operation.began.map(|began| clock.at(began)) else {
        return Vec::new();
    };
    let phases = operation.phases;
    let mut spans = Vec::new();
    let mut at = began;
    for (name, duration) in [
        ("graphql.document.parsing", phases.parse),
        ("graphql.document.validation", phases.validate),
    ] {
        if let Some(duration) = duration {
            spans.push(request.child(name, Kind::Internal, at, at + duration));
            at += duration;
        }
    }
    let Some(duration) = phases.execute else {
        return spans;
    };
    let start = began + phases.prepare;
    let name = "graphql.operation.execution";
    let execution = request.child(name, Kind::Internal, start, start + duration);
    let statements = operation.statements.iter();
    for statement in statements.flat_map(|statements| statements.each()) {
        let start = clock.at(statement.began);
        let end = start + statement.duration;
        // The verb, as `{db.operation.name}` requires.
        let verb = statement.sql.split_whitespace().next().unwrap_or("SQL");
        let mut span = execution.child(verb.to_owned(), Kind::Client, start, end);
        span.attributes
            .push(("db.query.text", Value::Text(statement.sql)));
        spans.push(span);
    }
    spans.push(execution);
    spans
}

/// Converts measured instants to wall-clock time.
struct Clock {
    now: SystemTime,
    instant: Instant,
}

impl Clock {
    fn now() -> Self {
        Self {
            now: SystemTime::now(),
            instant: Instant::now(),
        }
    }

    fn at(&self, moment: Instant) -> SystemTime {
        let ago: Duration = self.instant.saturating_duration_since(moment);
        self.now.checked_sub(ago).unwrap_or(self.now)
    }
}
