//! Broadsheet: a GraphQL API server for articles, on SQLite or PostgreSQL.
//!
//! The modules in the order in which a request passes them: [`server`] (connections, routes), [`graphql`]
//! (transports), [`api`] (resolvers), [`store`] (SQL), which returns [`article`]s; [`feed`] follows their changes. All
//! of them use [`error`], [`clock`] and [`budget`]; [`config`] and [`cli`] set them up. The rest of this page is
//! `ARCHITECTURE.md`.
#![cfg_attr(doc, doc = "")]
#![cfg_attr(doc, doc = include_str!("../ARCHITECTURE.md"))]

pub mod api;
pub mod cli;
pub mod config;
pub mod error;
pub mod graphql;
mod observed;
pub mod server;
mod telemetry;

pub use broadsheet_admission as admission;
pub(crate) use broadsheet_articles::log_limit;
pub use broadsheet_articles::{article, budget, clock, feed, store, transfer};
pub use broadsheet_caller_limits::{self as caller_limits, overload};
pub use broadsheet_connections as connections;
