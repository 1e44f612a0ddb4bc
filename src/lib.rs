//! Broadsheet: a GraphQL API server for articles.
pub mod document;
