//! A library of books over every transport: `cargo run -p graphql-transports --example library`, then POST, GET, stream
//! or open a WebSocket at <http://localhost:4000/graphql>.

use async_graphql::futures_util::stream::{self, Stream};
use async_graphql::{EmptyMutation, Object, Schema, Subscription};
use axum::Router;
use graphql_transports::Endpoint;
use tokio::net::TcpListener;

struct Query;

#[Object]
impl Query {
    async fn titles(&self, #[graphql(default = 2)] first: usize) -> Vec<&str> {
        ["Emma", "Persuasion"].into_iter().take(first).collect()
    }
}

struct Loans;

#[Subscription]
impl Loans {
    async fn lent(&self) -> impl Stream<Item = &'static str> {
        stream::iter(["Emma", "Persuasion"])
    }
}

pub(crate) fn router() -> Router {
    let schema = Schema::new(Query, EmptyMutation, Loans);
    let graphql = Endpoint::for_schema(schema).into_service();
    Router::new().route_service("/graphql", graphql)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:4000").await?;
    axum::serve(listener, router()).await
}
