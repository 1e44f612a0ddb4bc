//! All that only PostgreSQL does.

pub mod connect;
pub mod tls;
pub mod url;
