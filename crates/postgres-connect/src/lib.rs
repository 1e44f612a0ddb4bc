//! Connections to PostgreSQL for Diesel, as libpq's users expect them.
//!
//! [`ConnectOptions`] reads a `postgres://` URL with libpq's meaning of `sslmode` and `sslrootcert`, which
//! tokio-postgres rejects or ignores, and connects with TLS by rustls. [`PgConnection`] is a connection for
//! diesel-async that keeps the SQLSTATE of an error and has a time limit for every response, so that a silent peer does
//! not block a request for ever.
//!
//! ```
//! use postgres_connect::{ConnectDefaults, ConnectOptions, SslMode};
//!
//! let url = "postgres://ann@db.example.com/news?sslmode=require";
//! let options = ConnectOptions::parse(url, &ConnectDefaults::default())?;
//! assert_eq!(options.ssl_mode(), SslMode::Require);
//! assert_eq!(options.to_string(), "postgres://ann@db.example.com:5432/news");
//! # Ok::<(), postgres_connect::UrlError>(())
//! ```

mod connection;
mod defaults;
mod error;
mod failure;
mod options;
mod row;
mod rows;
mod statement;
mod tls;
mod url;

pub use connection::PgConnection;
pub use defaults::ConnectDefaults;
pub use error::sqlstate;
pub use failure::ConnectError;
pub use options::ConnectOptions;
pub use tls::{RootCertificates, SslMode};
pub use url::UrlError;
