//! GraphQL over HTTP, server-sent events and WebSocket for async-graphql on axum.
//!
//! An [`Endpoint`] replaces async-graphql-axum's services. It negotiates media types by `Accept`, distinguishes request
//! errors from field errors by status and body, rejects mutations by GET, implements `graphql-transport-ws` with all of
//! its close codes, and limits everything that clients can make grow:
//!
//! ```
//! use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
//! use axum::Router;
//! use graphql_transports::Endpoint;
//! # use axum::{body::{Body, to_bytes}, http::Request};
//! # use tower::ServiceExt as _;
//!
//! struct Query;
//!
//! #[Object]
//! impl Query {
//!     /// The answer.
//!     async fn answer(&self) -> u8 {
//!         42
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
//! let graphql = Endpoint::for_schema(schema);
//! let router: Router = Router::new().route_service("/graphql", graphql.into_service());
//!
//! let get = Request::get("/graphql?query={answer}").body(Body::empty()).unwrap();
//! let response = router.oneshot(get).await.unwrap();
//! assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
//! assert!(response.headers().contains_key("etag"));
//! # let body = to_bytes(response.into_body(), 1_000).await.unwrap();
//! # assert_eq!(body, r#"{"data":{"answer":42}}"#);
//! # }
//! ```
//!
//! A request passes through these parts, each in its own module:
//!
//! 1. [`http`], [`sse`] and [`websocket`] read it and write the response.
//! 2. [`Admit`] authenticates the caller, [`LimitCallers`] enforces its limits.
//! 3. [`pipeline`] resolves named documents ([`persisted`]), reuses the prepared operation of the same bytes, and
//!    rejects operations that the transport does not allow.
//! 4. An [`Engine`] prepares and executes the operation. [`SchemaEngine`] does so for any schema. Operations of
//!    `graphql-guard` implement [`PreparedOperation`](engine::PreparedOperation).
//!
//! The settings are fields of [`Endpoint`] and [`PipelineSettings`]; [`Pipeline::with`] combines the parts.

pub mod admission;
mod body;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod etag;
pub mod events;
mod guarded;
pub mod headers;
pub mod http;
mod idempotency;
pub mod limits;
pub mod metrics;
mod negotiation;
pub mod operation;
pub mod page;
pub mod persisted;
pub mod pipeline;
mod rate_limit;
mod rejection;
mod request_cache;
pub mod request_id;
pub mod shutdown;
pub mod sse;
pub mod websocket;

pub use self::admission::{Admit, AdmitAll};
pub use self::endpoint::Endpoint;
pub use self::engine::{Engine, SchemaEngine};
pub use self::error::{ErrorCode, ResponseError, ResponseErrors};
pub use self::limits::{LimitCallers, Unlimited};
pub use self::operation::{Caller, Execute, Outcome, PeerAddress, Transport};
pub use self::pipeline::{Pipeline, PipelineSettings};
pub use self::rate_limit::{RateLimit, write_exhausted};
pub use self::rejection::Rejection;
