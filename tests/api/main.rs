//! The integration tests: one binary, so that they are linked once and share one PostgreSQL server.

mod postgres;
mod tls;
