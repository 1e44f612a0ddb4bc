//! The limit of HTTP itself: an axum handler that responds to every request with the same bytes, read at start from the
//! file `BODY`.

use std::env;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use broadsheet_bench::contestant;

#[tokio::main]
async fn main() -> Result<()> {
    let body = Bytes::from(std::fs::read(env::var("BODY").context("BODY")?)?);
    let answer = async move |_request: Bytes| {
        let content_type = [(CONTENT_TYPE, "application/graphql-response+json")];
        (content_type, body.clone()).into_response()
    };
    contestant::serve(Router::new().route("/graphql", post(answer))).await
}
