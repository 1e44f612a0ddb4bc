//! HTTP: what the server answers, and at which address.

pub mod graphiql;
