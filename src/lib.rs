//! Broadsheet: a GraphQL API server for articles.
pub mod api;
pub mod article;
pub mod clock;
pub mod config;
pub mod error;
pub mod store;
