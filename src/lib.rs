//! Broadsheet: a GraphQL API server for articles.

pub mod coalesce;
pub mod server;
