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
mod backup;
mod build_script;
mod caller_limits;
mod case_insensitivity;
mod check;
mod content_length;
mod contract;
mod create_article;
mod create_articles;
mod database_unavailable;
mod embed;
mod env_file;
mod equal_titles;
mod errors;
mod external_rows;
mod failures;
mod feed;
mod filters;
mod freshness;
mod health;
mod hosts;
mod https;
mod idempotency;
mod in_process;
mod introspection;
mod log;
mod messages;
mod metrics;
mod migrations;
mod model;
mod pagination;
mod paths;
mod plans;
mod pooler;
mod postgres;
mod program;
mod proxy;
mod read_only_database;
mod replaced;
mod request_id;
mod response_bytes;
mod revert;
mod sandbox;
mod search;
mod session_defaults;
mod settings;
mod shared_failures;
mod shared_inserts;
mod shell;
mod silent_connections;
mod skip_and_include;
mod socket;
mod sqlite_file;
mod sqlstates;
mod start_and_stop;
mod startup_errors;
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
mod writers;
