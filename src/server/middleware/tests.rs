//! The responses of `/graphql`, with all middleware, from a scripted engine.

mod bodies;
mod caching;
mod methods;
mod representations;

use std::fmt::Write as _;

use axum::body::to_bytes;
use axum::http::header::{self, HeaderName};
use axum::{Router, ServiceExt as _};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;
use tower::ServiceExt as _;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::{AllowedHosts, Middleware, Routes, around};
use crate::error::ErrorCode;
use crate::graphql::operation::{Caller, Execute, GraphQLParams, Outcome, ResponseBody, Transport};
use crate::graphql::page::FrontPage;
use crate::graphql::shutdown::Shutdown;
use crate::graphql::sse::SseSettings;
use crate::server::metrics::RequestMetrics;
use graphql_guard::json::ObjectText;
use graphql_transports::events::Event;
use graphql_transports::{Endpoint, Rejection, Unlimited};

/// Small enough for a test to exceed.
const MAX_BODY_BYTES: usize = 10_000;

/// An engine whose documents are commands.
#[derive(Clone)]
struct Engine;

impl Execute for Engine {
    type Admitted = ();
    type Limits = Unlimited;

    fn limits(&self) -> &Unlimited {
        &Unlimited
    }

    async fn admit(&self, _: &HeaderMap, _: Option<&ObjectText>) -> Result<(), Rejection> {
        Ok(())
    }

    async fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller,
        transport: Transport,
    ) -> Outcome {
        let rejected = |status, code: ErrorCode| Rejection::new(status, code, "no");
        let waiting = |status, code: ErrorCode| {
            let mut rejection = rejected(status, code);
            let header = (header::RETRY_AFTER, HeaderValue::from_static("7"));
            rejection
                .headers
                .extend([header].map(|(name, value)| (Some(name), value)));
            Outcome::Rejected(rejection)
        };
        let query = params.query.unwrap_or_default();
        match query.as_str() {
            "{ caller }" => single(&json!({ "data": {
                "operationName": params.operation_name,
                "variables": params.variables,
                "transport": format!("{transport:?}"),
                "requestId": caller.request_id.as_str(),
                "token": caller.headers.get(AUTHORIZATION).map(|token| token.to_str().unwrap()),
            } })),
            "{ short }" => single(&json!({ "data": { "text": "short" } })),
            "{ long }" => single(&json!({ "data": { "text": "long ".repeat(1_000) } })),
            "{ partial }" => single(&json!({
                "data": { "a": null },
                "errors": [{ "message": "no", "path": ["a"], "extensions": { "code": "INTERNAL" } }],
            })),
            "{ invalid" => {
                Outcome::Rejected(rejected(StatusCode::BAD_REQUEST, ErrorCode::PARSE_FAILED))
            }
            "malformed" => {
                Outcome::Rejected(rejected(StatusCode::BAD_REQUEST, ErrorCode::BAD_REQUEST))
            }
            "unauthenticated" => Outcome::Rejected(rejected(
                StatusCode::UNAUTHORIZED,
                ErrorCode::UNAUTHENTICATED,
            )),
            "limited" => waiting(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RATE_LIMITED),
            "busy" => waiting(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::UNAVAILABLE),
            "mutation" if !transport.allows_mutations() => {
                let mut rejection =
                    rejected(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::BAD_REQUEST);
                let post = HeaderValue::from_static("POST");
                rejection.headers.insert(ALLOW, post);
                Outcome::Rejected(rejection)
            }
            "mutation" => single(&json!({ "data": { "done": true } })),
            "subscription" => {
                let events = (1..=2).map(|number| Event {
                    body: json!({ "data": { "n": number } }).to_string().into(),
                    cursor: Some(format!("c{number}")),
                });
                Outcome::Stream(stream::iter(events).boxed().into())
            }
            _ => panic!("an order that nobody knows"),
        }
    }
}

fn single(response: &serde_json::Value) -> Outcome {
    Outcome::Single(ResponseBody {
        json: response.to_string().into(),
        has_errors: response.get("errors").is_some(),
        codes: Vec::new(),
    })
}

fn endpoint() -> Endpoint<Engine> {
    Endpoint {
        page: Some(FrontPage::new(
            "<title>Broadsheet</title>",
            HeaderValue::from_static("default-src 'none'"),
        )),
        decoded: Some(super::DECODED),
        execute: Engine,
        max_body_bytes: MAX_BODY_BYTES,
        body_timeout: Duration::from_secs(30),
        cache_control: HeaderValue::from_static("public, max-age=5"),
        sse: SseSettings::default(),
        websocket: Arc::default(),
        shutdown: Shutdown::default(),
    }
}

fn server() -> Middleware<Engine> {
    server_for(&[])
}

/// A server whose responses pages of these origins may read.
fn server_for(origins: &[&str]) -> Middleware<Engine> {
    let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
    around(
        Routes {
            graphql: Arc::new(endpoint()),
            others: Router::new(),
        },
        AllowedHosts::Any,
        origins.into(),
        RequestMetrics::default(),
        super::Reporting::default(),
    )
}

type Headers<'h> = &'h [(&'h str, &'h str)];

fn request(method: &str, query: &str, headers: Headers<'_>, body: impl Into<Body>) -> Request {
    let mut request = Request::new(body.into());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = format!("/graphql{query}").parse().unwrap();
    let own = [("host", "localhost"), ("x-request-id", "request-7")];
    for (name, value) in own {
        let value = HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);
    }
    for &(name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value);
    }
    request
}

/// A query by GET; `document` is one of the engine's commands.
fn get(document: &str, headers: Headers<'_>) -> Request {
    let document = document
        .replace(' ', "%20")
        .replace('{', "%7B")
        .replace('}', "%7D");
    request("GET", &format!("?query={document}"), headers, Body::empty())
}

/// An operation by POST, as `application/json`.
fn post(document: &str, headers: Headers<'_>) -> Request {
    post_body(&json!({ "query": document }).to_string(), headers)
}

fn post_body(body: &str, headers: Headers<'_>) -> Request {
    let mut request = request("POST", "", headers, body.to_owned());
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert("content-type", json);
    request
}

async fn answer(server: &Middleware<Engine>, request: Request) -> Response {
    server.clone().oneshot(request).await.unwrap()
}

/// The whole response, its headers sorted by name.
async fn whole(server: &Middleware<Engine>, request: Request) -> String {
    let (parts, body) = answer(server, request).await.into_parts();
    let mut headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = std::str::from_utf8(&body).unwrap();
    format!("{}\n{}\n{body}", parts.status, headers.concat())
}

/// The status, some headers and the body in one line.
async fn line(server: &Middleware<Engine>, request: Request, shown: &[HeaderName]) -> String {
    let (parts, body) = answer(server, request).await.into_parts();
    let mut line = parts.status.as_u16().to_string();
    for name in shown {
        let values = parts.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
        write!(line, " | {}", values.join(", ")).unwrap();
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    format!("{line} | {}", String::from_utf8_lossy(&body))
}
