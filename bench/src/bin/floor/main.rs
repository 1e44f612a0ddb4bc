//! The floor: a REST server written by hand. axum, prepared statements, serde, no GraphQL.
//!
//! `GET /articles/{slug}`, `GET /articles?limit=20`, `GET /articles?after=CURSOR&limit=20`, `POST /articles`,
//! with the same fields as the GraphQL contestants.

mod postgres;
mod sqlite;

use anyhow::Result;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use broadsheet_bench::contestant::{self, Database};
use broadsheet_bench::cursor::Cursor;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Article {
    id: Uuid,
    title: String,
    slug: String,
    text: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct List {
    articles: Vec<Article>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Paged {
    articles: Vec<Article>,
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl Paged {
    /// Made of one article more than the page holds, if there is one.
    fn new(mut articles: Vec<Article>, limit: i64) -> Self {
        let limit = usize::try_from(limit).unwrap_or_default();
        let has_next_page = articles.len() > limit;
        articles.truncate(limit);
        let cursor = |article: &Article| Cursor {
            created_at: article.created_at.timestamp_micros(),
            id: article.id,
        };
        Self {
            has_next_page,
            end_cursor: articles.last().map(|article| cursor(article).to_string()),
            articles,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Listing {
    List(List),
    Page(Paged),
}

#[derive(Deserialize)]
struct Range {
    limit: i64,
    after: Option<String>,
}

#[derive(Deserialize)]
struct NewArticle {
    title: String,
    slug: String,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewlyMade {
    id: Uuid,
    slug: String,
    created_at: DateTime<Utc>,
}

impl NewlyMade {
    fn new(slug: String) -> Self {
        Self {
            id: Uuid::now_v7(),
            slug,
            created_at: Utc::now(),
        }
    }
}

/// Either database, as the handlers see it.
#[derive(Clone)]
enum Store {
    Postgres(postgres::Store),
    Sqlite(sqlite::Store),
}

/// An error of the database, which is always 500.
struct Failure;

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        eprintln!("floor: {error}");
        Self
    }
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let store = match contestant::database()? {
        Database::Postgres(url) => Store::Postgres(postgres::Store::open(&url)?),
        Database::Sqlite(path) => Store::Sqlite(sqlite::Store::open(&path)?),
    };
    let router = Router::new()
        .route("/articles", get(list).post(create))
        .route("/articles/{slug}", get(by_slug))
        .with_state(store);
    contestant::serve(router).await
}

async fn by_slug(
    State(store): State<Store>,
    Path(slug): Path<String>,
) -> Result<Result<Json<Article>, StatusCode>, Failure> {
    let article = match store {
        Store::Postgres(store) => store.by_slug(&slug).await?,
        Store::Sqlite(store) => store.by_slug(slug).await?,
    };
    Ok(article.map(Json).ok_or(StatusCode::NOT_FOUND))
}

async fn list(
    State(store): State<Store>,
    Query(Range { limit, after }): Query<Range>,
) -> Result<Json<Listing>, Failure> {
    let Some(after) = after else {
        let articles = match store {
            Store::Postgres(store) => store.newest(limit).await?,
            Store::Sqlite(store) => store.newest(limit).await?,
        };
        return Ok(Json(Listing::List(List { articles })));
    };
    let after: Cursor = after.parse()?;
    let articles = match store {
        Store::Postgres(store) => store.after(after, limit + 1).await?,
        Store::Sqlite(store) => store.after(after, limit + 1).await?,
    };
    Ok(Json(Listing::Page(Paged::new(articles, limit))))
}

async fn create(
    State(store): State<Store>,
    Json(new): Json<NewArticle>,
) -> Result<(StatusCode, Json<NewlyMade>), Failure> {
    let created = match store {
        Store::Postgres(store) => store.create(new).await?,
        Store::Sqlite(store) => store.create(new).await?,
    };
    Ok((StatusCode::OK, Json(created)))
}
