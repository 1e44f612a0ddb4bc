//! Broadsheet's API in an axum program of your own, mounted with async-graphql-axum.
//!
//! `cargo run --example embed -- --database-url sqlite:embedded.db`, then open <http://localhost:4000/> or POST to
//! `/articles/graphql`; subscriptions are at the same address, over WebSockets.

use std::error::Error;
use std::time::Duration;

use async_graphql_axum::{GraphQL, GraphQLSubscription};
use axum::Router;
use axum::routing::{get, get_service};
use broadsheet::api::{Api, ApiSettings};
use broadsheet::clock::Clock;
use broadsheet::config::DatabaseSettings;
use broadsheet::feed::Feed;
use broadsheet::store::Store;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tower_http::limit::RequestBodyLimitLayer;

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    database: DatabaseSettings,
}

/// A page of your own, and the API at its own path.
pub(crate) async fn router(database: &DatabaseSettings) -> Result<(Router, Store), Box<dyn Error>> {
    let store = Store::open(database, Clock::system(), true).await?;
    let feed = Feed::start(store.clone(), Duration::from_hours(7 * 24));
    let api = Api::new(store.clone(), feed, ApiSettings::default())?;
    // Mutations by POST only, so that no link can send one.
    let graphql =
        get_service(GraphQLSubscription::new(api.clone())).post_service(GraphQL::new(api));
    let router = Router::new()
        .route("/", get(async || "a program with articles\n"))
        .route("/articles/graphql", graphql)
        // async-graphql-axum reads bodies of any size.
        .layer(RequestBodyLimitLayer::new(1024 * 1024));
    Ok((router, store))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (router, store) = router(&Options::parse().database).await?;
    let listener = TcpListener::bind("127.0.0.1:4000").await?;
    let stop = async { ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await?;
    store.close().await;
    Ok(())
}
