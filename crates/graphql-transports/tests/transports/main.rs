//! The long-lived transports, over real sockets, with a scripted engine.

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
