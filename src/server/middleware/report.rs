//! Reports a request when its response begins: a line in the log, and the header `Server-Timing`.

use std::time::{Duration, Instant};

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use otlp_spans::{TRACEPARENT, Trace, Tracer, Value};
use tracing::Span;

use graphql_guard::truncate;

use super::Reporting;
use crate::error::ErrorCode;
use crate::graphql::websocket::ForeignOrigin;
use crate::log_limit::LogLimit;
use crate::observed::trace::spans;
use crate::observed::{self, ObservedOperation, milliseconds};
use crate::server::metrics::Route;

/// The header with the duration of each part of a request (W3C Server Timing).
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Writes the duration of each part of the operation, where its caller has that scope.
pub(super) fn write_server_timing(
    operation: &ObservedOperation,
    began: Instant,
    response: &mut Response,
) {
    if !operation.may_see_timing {
        return;
    }
    let timing = operation.phases.server_timing(began.elapsed());
    if let Ok(timing) = HeaderValue::try_from(timing) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
}

/// How often the log names the origin of a page whose socket was rejected: any page could fill the log.
static FOREIGN_ORIGINS: LogLimit = LogLimit::new(Duration::from_mins(1));

/// Logs that a page may not open a socket, at most once per minute.
pub(super) fn log_foreign_origin(response: &Response) {
    let origin = response.extensions().get::<ForeignOrigin>();
    if let Some(ForeignOrigin(origin)) = origin
        && let Some(left_out) = FOREIGN_ORIGINS.allow_now()
    {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        tracing::warn!(
            origin = &*truncate::of(&origin),
            left_out,
            "the WebSocket of a page was rejected because of its origin: CORS_ORIGINS lists those that may connect, \
             and a proxy must forward Host"
        );
    }
}

impl Reporting {
    /// Begins the trace of a request, where tracing is on. If it is sampled, the log contains its id.
    pub(super) fn begin_trace(&self, request: &Request, span: &Span) -> Option<Trace> {
        let tracer = self.tracer.as_ref()?;
        let caller = request.headers().get(TRACEPARENT);
        let trace = tracer.begin(caller.and_then(|value| value.to_str().ok()));
        if trace.is_sampled {
            span.record("trace", trace.id());
        }
        Some(trace)
    }
}

/// Adds the request's own span to the response, and sends it where it is sampled.
pub(super) fn trace(
    tracer: &Tracer,
    trace: &Trace,
    (method, route): (&Method, Route),
    began: Instant,
    operation: Option<&ObservedOperation>,
    response: &mut Response,
) {
    if let Ok(traceparent) = HeaderValue::try_from(trace.traceparent()) {
        let name = HeaderName::from_static(TRACEPARENT);
        response.headers_mut().insert(name, traceparent);
    }
    if !trace.is_sampled {
        return;
    }
    let status = response.status().as_u16();
    let attributes = vec![
        ("http.request.method", Value::Text(method.to_string())),
        ("http.route", Value::Text(route.name().to_owned())),
        ("http.response.status_code", Value::Number(status.into())),
    ];
    let name = format!("{method} {}", route.name());
    tracer.end(spans(trace, name, began, attributes, operation));
}

/// Logs the request. Its id, method, path and caller are in the span.
#[cold]
pub(super) fn log(operation: Option<&ObservedOperation>, began: Instant, response: &Response) {
    let duration_ms = milliseconds(began.elapsed());
    let status = response.status().as_u16();
    // The size of the body as it is sent; unknown for a stream.
    let bytes = response.body().size_hint().exact();
    let Some(operation) = operation else {
        let code = response.extensions().get::<ErrorCode>();
        let code = code.map(|code| code.as_str());
        tracing::info!(target: "broadsheet::requests", status, duration_ms, bytes, code, "answered");
        return;
    };
    if operation.is_anonymous {
        Span::current().record("caller", "anonymous");
    }
    observed::log!(info, "broadsheet::requests", operation, {
        status,
        duration_ms,
        bytes,
    }, "answered");
}
