//! The integration tests: one binary, so that they are linked once and share one PostgreSQL server.
//!
//! `support.rs` starts whole servers, `program.rs` the program itself; the other files test one part each.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also where its support code does"
)]

mod articles;
mod create_article;
mod in_process;
mod model;
mod postgres;
mod support;
mod tls;
