//! The integration tests: one binary, so that they are linked once and share one PostgreSQL server.
//!
//! `support.rs` starts whole servers, `program.rs` the program itself; the other files test one part each.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also where its support code does"
)]

mod admission;
mod all_articles;
mod articles;
mod away;
mod backup;
mod build_script;
mod caller_limits;
mod check;
mod contract;
mod create_article;
mod create_articles;
mod embed;
mod env_file;
mod equal_titles;
mod errors;
mod failures;
mod feed;
mod filters;
mod foreign_rows;
mod freshness;
mod health;
mod hosts;
mod https;
mod idempotency;
mod in_process;
mod introspection;
mod lengths;
mod log;
mod messages;
mod metrics;
mod migrations;
mod model;
mod no_writes;
mod paths;
mod plans;
mod pooler;
mod postgres;
mod program;
mod proxy;
mod refused_at_start;
mod replaced;
mod request_id;
mod response_bytes;
mod revert;
mod sandbox;
mod scripts;
mod search;
mod session_defaults;
mod settings;
mod shared_failures;
mod shared_inserts;
mod shell;
mod silence;
mod skipped;
mod socket;
mod sqlite_file;
mod sqlstates;
mod start_and_stop;
mod stopping;
mod stories;
mod support;
mod terminal;
mod time_limits;
mod tls;
mod token;
mod transfer;
mod transports;
mod trusted_documents;
mod values;
mod versions;
mod walk;
mod writers;
