//! The textbook: async-graphql-axum and diesel-async as their documentation shows them, without optimizations. Types
//! are derived, the pool is deadpool with diesel-async's recycling, requests and responses use async-graphql's
//! extractor and response.

mod postgres;
mod sqlite;

use anyhow::Result;
use async_graphql::connection::CursorType;
use async_graphql::{
    EmptySubscription, ID, InputObject, ObjectType, OneofObject, Schema, SimpleObject,
};
use async_graphql_axum::{GraphQLRequest, GraphQLResponse};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use broadsheet_bench::contestant::{self, Database};
use broadsheet_bench::cursor::{Cursor, InvalidCursor};
use chrono::{DateTime, Utc};

#[derive(OneofObject)]
enum ArticleBy {
    Id(ID),
    Slug(String),
}

#[derive(InputObject)]
struct CreateArticleInput {
    title: String,
    slug: String,
    text: String,
}

/// An article as the API shows it, whichever database it comes from.
#[derive(SimpleObject)]
struct Article {
    id: ID,
    title: String,
    slug: String,
    text: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i32,
}

struct PageCursor(Cursor);

impl CursorType for PageCursor {
    type Error = InvalidCursor;

    fn decode_cursor(text: &str) -> Result<Self, InvalidCursor> {
        text.parse().map(Self)
    }

    fn encode_cursor(&self) -> String {
        self.0.to_string()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let router = match contestant::database()? {
        Database::Postgres(url) => router(
            Schema::build(postgres::Query, postgres::Mutation, EmptySubscription)
                .data(postgres::pool(&url)?)
                .finish(),
        ),
        Database::Sqlite(path) => router(
            Schema::build(sqlite::Query, sqlite::Mutation, EmptySubscription)
                .data(sqlite::pool(&path)?)
                .finish(),
        ),
    };
    contestant::serve(router).await
}

fn router<Query: ObjectType + 'static, Mutation: ObjectType + 'static>(
    schema: Schema<Query, Mutation, EmptySubscription>,
) -> Router {
    Router::new()
        .route("/graphql", post(graphql::<Query, Mutation>))
        .with_state(schema)
}

async fn graphql<Query: ObjectType + 'static, Mutation: ObjectType + 'static>(
    State(schema): State<Schema<Query, Mutation, EmptySubscription>>,
    request: GraphQLRequest,
) -> GraphQLResponse {
    schema.execute(request.into_inner()).await.into()
}
