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
mod equal_titles;
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
mod no_writes;
mod plans;
mod pooler;
mod postgres;
mod program;
mod proxy;
mod refused_at_start;
mod request_id;
mod sandbox;
mod search;
mod session_defaults;
mod silence;
mod sqlstates;
mod start_and_stop;
mod stories;
mod support;
mod tls;
mod trusted_documents;
mod versions;
mod walk;
mod writers;
