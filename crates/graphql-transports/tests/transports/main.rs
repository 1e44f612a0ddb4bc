//! The transports that stay open, over real sockets, against an engine that does as it is told.

#![expect(
    clippy::panic,
    reason = "a test fails by panicking, also where its support code does"
)]
#![expect(
    clippy::unwrap_used,
    reason = "support code fails the test by panicking"
)]

mod engine;
mod server;
mod sse;
mod websocket;
