//! The integration tests: one binary, so that they are linked once and share one PostgreSQL server.
//!
//! `support.rs` starts whole servers, `program.rs` the program itself; the other files test one part each.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also where its support code does"
)]

mod all_articles;
mod articles;
mod contract;
mod create_article;
mod create_articles;
mod errors;
mod failures;
mod feed;
mod filters;
mod freshness;
mod health;
mod in_process;
mod lengths;
mod metrics;
mod migrations;
mod model;
mod plans;
mod postgres;
mod program;
mod request_id;
mod sandbox;
mod search;
mod start_and_stop;
mod stories;
mod support;
mod tls;
mod token;
mod trusted_documents;
mod versions;
mod walk;
mod writers;
