//! Broadsheet: a GraphQL API server for articles, on SQLite or PostgreSQL.
//!
//! The modules in the order in which a request meets them: [`server`] (HTTP) hands an operation to [`api`] (GraphQL),
//! whose resolvers ask the [`store`] (SQL) for [`article`]s. [`error`] and [`clock`] are known to all of them;
//! [`config`] and [`cli`] set them up.

pub mod admission;
pub mod api;
pub mod article;
mod cache;
pub mod cli;
pub mod clock;
pub mod coalesce;
pub mod config;
pub mod document;
pub mod error;
pub mod feed;
mod opaque;
pub mod server;
pub mod store;
mod telemetry;
