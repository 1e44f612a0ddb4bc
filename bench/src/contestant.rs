//! How the runner starts a contestant: with the environment variables that Broadsheet reads too.

use std::env;

use anyhow::{Context as _, Result};
use axum::Router;
use tokio::net::TcpListener;

/// The maximum number of database connections of every contestant: Broadsheet's default.
pub const POOL_SIZE: usize = 10;

/// The database to use.
#[derive(Debug)]
pub enum Database {
    /// A whole URL.
    Postgres(String),
    /// The path of a file.
    Sqlite(String),
}

/// Reads `DATABASE_URL`: `postgres://…` or `sqlite:PATH`.
pub fn database() -> Result<Database> {
    let url = env::var("DATABASE_URL").context("DATABASE_URL")?;
    Ok(match url.strip_prefix("sqlite:") {
        Some(path) => Database::Sqlite(path.to_owned()),
        None => Database::Postgres(url),
    })
}

/// Serves on 127.0.0.1 at `PORT` until the process is killed.
pub async fn serve(router: Router) -> Result<()> {
    let port = env::var("PORT").context("PORT")?.parse().context("PORT")?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, router).await?)
}
