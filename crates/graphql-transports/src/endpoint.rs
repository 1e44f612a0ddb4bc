//! A GraphQL endpoint: its settings, and the service that an axum router mounts.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::Executor;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tower_service::Service;
use uuid::Uuid;

use super::engine::SchemaEngine;
use super::etag::Conditions;
use super::http::{self, PRIVATE};
use super::operation::Execute;
use super::page::FrontPage;
use super::pipeline::Pipeline;
use super::request_id::RequestId;
use super::shutdown::Shutdown;
use super::sse::SseSettings;
use super::websocket::WebSocketSettings;

/// An endpoint for queries, mutations and subscriptions by GET, POST, server-sent events and WebSocket.
#[derive(Clone)]
pub struct Endpoint<E> {
    /// Executes the operations.
    pub execute: E,
    /// The page for browsers; without it, `text/html` is not acceptable.
    pub page: Option<FrontPage>,
    /// The maximum length of a request's body in bytes, after decompression; beyond it 413.
    pub max_body_bytes: usize,
    /// The content encodings that an outer layer decodes, such as `gzip, br`; others get 415.
    pub decoded: Option<HeaderValue>,
    /// The time limit for receiving the whole body; then 503.
    pub body_timeout: Duration,
    /// `Cache-Control` for responses without errors to GET queries without a token.
    pub cache_control: HeaderValue,
    /// The keep-alive of event streams.
    pub sse: SseSettings,
    /// The limits of a socket.
    pub websocket: Arc<WebSocketSettings>,
    /// Notifies streams and sockets when the server stops.
    pub shutdown: Shutdown,
}

impl<E: Execute> Endpoint<E> {
    /// Without a page; bodies of at most 2 MiB, within half a minute; responses that a cache must revalidate.
    /// `shutdown` must be the pipeline's.
    pub fn new(execute: E, shutdown: Shutdown) -> Self {
        Self {
            execute,
            page: None,
            max_body_bytes: 2 << 20,
            decoded: None,
            body_timeout: Duration::from_secs(30),
            cache_control: PRIVATE,
            sse: SseSettings::default(),
            websocket: Arc::default(),
            shutdown,
        }
    }

    /// The endpoint as a service, for `Router::route_service`. It adds `ETag` and `X-Request-Id` to responses, and
    /// answers 304 where the client already has the response. An application that compresses responses calls
    /// [`http::serve`] and [`Conditions::apply`] itself instead, in this order, with its compression in between.
    pub fn into_service(self) -> EndpointService<E> {
        EndpointService(Arc::new(self))
    }
}

impl<X: Executor> Endpoint<Pipeline<SchemaEngine<X>>> {
    /// An endpoint for a schema of async-graphql, open to everyone.
    pub fn for_schema(schema: X) -> Self {
        Self::new(
            Pipeline::new(SchemaEngine::new(schema)),
            Shutdown::default(),
        )
    }
}

/// An [`Endpoint`] as a service. Clones share it.
pub struct EndpointService<E>(Arc<Endpoint<E>>);

impl<E> Clone for EndpointService<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Execute> Service<Request> for EndpointService<E> {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    /// It is always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let endpoint = Arc::clone(&self.0);
        let conditions = Conditions::of(&request);
        let given = request.extensions().get::<RequestId>().cloned();
        let id = given.unwrap_or_else(|| {
            let id = RequestId::of(request.headers(), Uuid::new_v4);
            request.extensions_mut().insert(id.clone());
            id
        });
        let response = async move {
            let mut response = http::serve(&endpoint, request).await;
            conditions.apply(&mut response);
            id.keep(response.headers_mut());
            Ok(response)
        };
        response.boxed()
    }
}
