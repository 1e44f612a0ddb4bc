//! Broadsheet: a GraphQL API server for articles.
