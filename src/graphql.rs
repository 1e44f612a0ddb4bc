//! The transports of GraphQL: HTTP, server-sent events and WebSocket, documents by name, and the engine behind them.

mod body;
pub mod engine;
mod events;
pub mod http;
mod idempotency;
pub mod metrics;
pub(crate) mod negotiation;
pub mod operation;
pub mod page;
pub mod persisted;
pub mod request_cache;
pub mod sse;
pub mod websocket;
