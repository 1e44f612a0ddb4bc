//! `GET /api/v1/articles/`: every article, newest first, as a JSON array that is streamed.

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::routes::App;
use crate::article::Article;
use crate::caller_limits::{CallerKey, PeerAddress};
use crate::error::{Error, ErrorCode, Result};
use crate::graphql::http;

/// An article as this endpoint shows it.
#[derive(Serialize)]
struct Item<'a> {
    id: String,
    title: &'a str,
    slug: &'a str,
    text: &'a str,
    created_at: String,
}

/// What an article of the list costs: as much as its fields by GraphQL.
const ARTICLE_COST: u64 = 5;

/// Answers all articles. Where that fails half-way the connection is cut off, so that nobody takes a part for all.
pub(super) async fn all(
    State(app): State<App>,
    Extension(peer): Extension<PeerAddress>,
    headers: HeaderMap,
) -> Response {
    app.for_readers(peer, &headers, async |key| list(&app, key).await)
        .await
}

/// Charged batch by batch. What the caller cannot spend for the first is refused; the others wait until it can.
async fn list(app: &App, key: CallerKey) -> Response {
    let mut batches = Box::pin(app.store.all_articles());
    // What fails before the first byte can still be answered in full.
    let first = match batches.try_next().await {
        Ok(first) => first,
        Err(error) => return refuse(&error),
    };
    if let Some(first) = &first
        && let Err(rejection) = app.limits.charge(|| key.clone(), cost(first))
    {
        return http::rejected(rejection);
    }
    let limits = app.limits.clone();
    let batches = batches.and_then(move |batch| {
        let (limits, key) = (limits.clone(), key.clone());
        async move {
            limits.charge_in_time(&key, cost(&batch)).await;
            Ok(batch)
        }
    });
    let batches = stream::iter(first.map(Ok)).chain(batches);
    let body = json_array(batches).inspect_err(|error| {
        tracing::error!(%error, "the list of all articles was cut off");
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, Body::from_stream(body)).into_response()
}

fn cost(batch: &[Article]) -> u64 {
    ARTICLE_COST * batch.len() as u64
}

fn refuse(error: &Error) -> Response {
    tracing::error!(%error, "the articles could not be read");
    match error {
        Error::Unavailable(_) | Error::Lost(_) | Error::Timeout(_) | Error::Raced => {
            let mut response = http::refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::Unavailable,
                "the database cannot be reached at the moment",
            );
            let seconds = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn json_array(
    batches: impl Stream<Item = Result<Vec<Article>>>,
) -> impl Stream<Item = Result<Bytes>> {
    let opening = stream::once(async { Ok(Bytes::from_static(b"[")) });
    let closing = stream::once(async { Ok(Bytes::from_static(b"]\n")) });
    let mut separator: &[u8] = b"";
    let items = batches.map(move |batch| {
        let mut bytes = Vec::new();
        for article in batch? {
            bytes.extend_from_slice(std::mem::replace(&mut separator, b","));
            let item = Item {
                id: article.id.to_string(),
                title: &article.title,
                slug: &article.slug,
                text: &article.text,
                created_at: article.created_at.to_string(),
            };
            serde_json::to_writer(&mut bytes, &item).map_err(Error::internal)?;
        }
        Ok(Bytes::from(bytes))
    });
    opening.chain(items).chain(closing)
}
