//! The middleware of all routes: one service that every request and every response passes.
//!
//! Its parts are plain functions in separate files, not axum layers: each layer clones the routes inside it and boxes a
//! future for every request, and a dozen of them cost more than a request that shares the read of another.
//!
//! Decision: `docs/decisions/0007-fast-path.md`.

mod cors;
mod encoding;
mod host;
mod report;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, UPGRADE};
use axum::http::{Method, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, ready};
use otlp_spans::Tracer;
use tower::Service;
use tracing::{Instrument as _, Span};

use self::cors::{Origins, Permission};
pub(super) use self::encoding::DECODED;
pub(super) use self::host::AllowedHosts;
use super::metrics::{RequestMetrics, Route};
use super::paths;
use crate::caller_limits::Rejection;
use crate::clock::Clock;
use crate::graphql::etag::Conditions;
use crate::graphql::http::{self, internal_error};
use crate::graphql::operation::Execute;
use crate::graphql::request_id::RequestId;
use crate::observed;
use graphql_transports::Endpoint;

/// The routes with the middleware around them.
pub(super) fn around<E: Execute>(
    routes: Routes<E>,
    hosts: AllowedHosts,
    origins: Origins,
    requests: RequestMetrics,
    reporting: Reporting,
) -> Middleware<E> {
    Middleware {
        routes,
        settings: Arc::new(Settings {
            hosts,
            origins,
            requests,
            reporting,
        }),
    }
}

/// The future of a response. Boxed early: futures around it have room for it twice.
type Answer = BoxFuture<'static, Result<Response, Infallible>>;

/// All routes. Nearly every request is for `/graphql`, so axum's router is used only for the others.
#[derive(Clone)]
pub(super) struct Routes<E> {
    pub(super) graphql: Arc<Endpoint<E>>,
    pub(super) others: Router,
}

impl<E: Execute> Service<Request> for Routes<E> {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    /// A router is always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.uri().path() != paths::GRAPHQL {
            return self.others.call(request).boxed();
        }
        let endpoint = Arc::clone(&self.graphql);
        Box::pin(async move { Ok(http::serve(&endpoint, request).await) })
    }
}

/// Assigns an id and a span to each request, responds to requests that need no route, and completes the responses.
#[derive(Clone)]
pub(super) struct Middleware<E> {
    routes: Routes<E>,
    settings: Arc<Settings>,
}

struct Settings {
    hosts: AllowedHosts,
    origins: Origins,
    requests: RequestMetrics,
    reporting: Reporting,
}

/// How each request is reported, besides metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct Reporting {
    /// Whether each request is logged.
    pub(super) log_requests: bool,
    /// Sends its spans.
    pub(super) tracer: Option<Tracer>,
}

impl<E: Execute> Service<Request> for Middleware<E> {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    /// It is always ready, as its routes are.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let began = Instant::now();
        let route = Route::of(request.uri().path());
        // Not from the application's clock, whose ids in tests are sequential and belong to articles.
        let id = RequestId::of(request.headers(), || Clock::system().new_id());
        let span = span(&id, &request);
        let trace = self.settings.reporting.begin_trace(&request, &span);
        let method = request.method().clone();
        let conditions = Conditions::of(&request);
        let accepted = encoding::accepted(request.headers());
        let (permission, preflight) = Permission::of(&self.settings.origins, &request);
        request.extensions_mut().insert(id.clone());
        let is_head = as_get(&mut request);
        let rejected = too_many(&mut request);
        let rejected = rejected.or_else(|| host::rejected(&request, &self.settings.hosts));
        let answer = match rejected.or(preflight) {
            Some(answer) => Either::Left(ready(Ok(answer))),
            None => Either::Right(encoding::decoded(self.routes.clone(), request)),
        };
        let settings = Arc::clone(&self.settings);
        let answered = async move {
            // A panic in a handler is a bug of ours; the client gets a response instead of a closed connection.
            let Ok(response) = AssertUnwindSafe(answer)
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| {
                    tracing::error!(message = panic_message(&*panic), "a handler panicked");
                    Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response())
                });
            // All internal errors have the same response.
            let response = match is_unreported(&response) {
                true => internal_error(&id),
                false => response,
            };
            let mut response = match encoding::encoded(response, accepted) {
                Either::Left(plain) => plain,
                Either::Right(encoded) => encoded.await,
            };
            let operation = observed::take();
            if let Some(operation) = operation.as_deref() {
                report::write_server_timing(operation, began, &mut response);
            }
            // Each encoding has its own tag.
            conditions.apply(&mut response);
            // Pages may read error responses too.
            permission.grant(&mut response);
            settings.requests.count(route, response.status(), began);
            if response.status() == StatusCode::FORBIDDEN {
                report::log_foreign_origin(&response);
            }
            if let (Some(tracer), Some(trace)) = (&settings.reporting.tracer, &trace) {
                report::trace(
                    tracer,
                    trace,
                    (&method, route),
                    began,
                    operation.as_deref(),
                    &mut response,
                );
            }
            if settings.reporting.log_requests {
                report::log(operation.as_deref(), began, &response);
            }
            id.keep(response.headers_mut());
            if is_head {
                without_body(&mut response);
            }
            settings.requests.count_body(route, &mut response);
            Ok(response)
        };
        Box::pin(observed::observing(answered).instrument(span))
    }
}

/// The response to an HTTP/2 request whose address has too many of them.
fn too_many(request: &mut Request) -> Option<Response> {
    if request.version() != Version::HTTP_2 || paths::is_watched(request.uri().path()) {
        return None;
    }
    let rejection: Rejection = request.extensions_mut().remove()?;
    Some(http::not_admitted(rejection))
}

/// The fields of each line that the request logs.
fn span(id: &RequestId, request: &Request) -> Span {
    tracing::info_span!(
        "request",
        id = id.as_str(),
        method = %request.method(),
        path = request.uri().path(),
        // The caller is known later, if at all.
        caller = tracing::field::Empty,
        trace = tracing::field::Empty,
    )
}

/// Whether it is an internal error for which the handler has not written a response.
fn is_unreported(response: &Response) -> bool {
    response.status() == StatusCode::INTERNAL_SERVER_ERROR
        && response.body().size_hint().exact() == Some(0)
}

/// Turns a HEAD into a GET, so that the response has the same headers: the encoding of a body is known only once there
/// is a body. Returns whether the request was a HEAD.
fn as_get(request: &mut Request) -> bool {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        *request.method_mut() = Method::GET;
        request.headers_mut().remove(UPGRADE);
    }
    is_head
}

/// Keeps only the head of the response, with the body's length.
fn without_body(response: &mut Response) {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact() {
        let headers = response.headers_mut();
        headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> Option<&str> {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
}
