//! The GraphQL transports with the API behind them: the engine that `graphql-transports` needs from an application, and
//! the observation of each operation.

mod engine;
pub mod observer;

pub use self::engine::ApiEngine;
pub use graphql_transports::pipeline::Pipeline;
pub use graphql_transports::{
    etag, headers, http, metrics, operation, page, persisted, request_id, shutdown, sse, websocket,
};

use crate::admission::Admission;
use crate::caller_limits::CallerLimits;

/// Executes the operations of every transport.
pub type ApiPipeline = Pipeline<ApiEngine, Admission, CallerLimits>;
