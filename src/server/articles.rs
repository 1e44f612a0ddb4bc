//! `GET /api/v1/articles/`: every article, newest first, as a JSON array that is streamed.

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::routes::App;
use crate::article::Article;
use crate::caller_limits::{CallerKey, Network, PeerAddress};
use crate::error::{Error, ErrorCode, Result};
use crate::graphql::http;
use crate::overload::Overloaded;

/// An article as this endpoint returns it.
#[derive(Serialize)]
struct Item<'a> {
    id: String,
    title: &'a str,
    slug: &'a str,
    text: &'a str,
    created_at: String,
}

/// The cost of an article in the list: that of its fields in GraphQL.
const ARTICLE_COST: u64 = 5;

/// Returns all articles. On an error in the middle the connection is cut off, so that no client takes a part for the
/// whole.
pub(super) async fn all(
    State(app): State<App>,
    Extension(peer): Extension<PeerAddress>,
    headers: HeaderMap,
) -> Response {
    let network = app.limits.network(peer, &headers);
    app.for_readers(peer, &headers, async |key| list(&app, key, network).await)
        .await
}

/// Each batch needs a permit of queries while it is read, and is charged and counted. The request is rejected if the
/// first batch gets no permit in time, or if the caller cannot afford it or exceeds a limit with it; later ones wait.
async fn list(app: &App, key: CallerKey, network: Network) -> Response {
    let mut batches = Box::pin(app.store.all_articles());
    let limit = app.api.query_limit().clone();
    let Ok(permit) = limit.acquire().await else {
        return unavailable(Overloaded.to_string());
    };
    // An error before the first byte can still be a proper error response.
    let first = match batches.try_next().await {
        Ok(first) => first.unwrap_or_default(),
        Err(error) => return reject(&error),
    };
    drop(permit);
    if let Err(rejection) = app.limits.charge(|| key.clone(), cost(&first)) {
        return http::not_admitted(rejection);
    }
    let mut array = Array::default();
    let first = match array.items(first) {
        Ok(bytes) => app
            .limits
            .responses()
            .keep(bytes.clone(), bytes.len(), || network),
        Err(error) => return reject(&error),
    };
    let first = match first {
        Ok(bytes) => bytes,
        Err(rejection) => return http::not_admitted(rejection),
    };
    let limits = app.limits.clone();
    let batches = stream::try_unfold(batches, move |mut batches| {
        let limit = limit.clone();
        async move {
            let _permit = limit.acquire_without_deadline().await;
            Ok(batches.try_next().await?.map(|batch| (batch, batches)))
        }
    });
    let rest = batches.and_then(move |batch| {
        let (limits, key) = (limits.clone(), key.clone());
        let (cost, bytes) = (cost(&batch), array.items(batch));
        async move {
            limits.charge_when_possible(&key, cost).await;
            Ok(limits.keep_when_possible(bytes?, network).await)
        }
    });
    let opening = [Ok(Bytes::from_static(b"[")), Ok(first)];
    let closing = stream::iter([Ok(Bytes::from_static(b"]\n"))]);
    let body = stream::iter(opening).chain(rest).chain(closing);
    let body = body.inspect_err(|error: &Error| {
        tracing::error!(%error, "the list of all articles was cut off");
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, Body::from_stream(body)).into_response()
}

fn cost(batch: &[Article]) -> u64 {
    ARTICLE_COST * batch.len() as u64
}

fn reject(error: &Error) -> Response {
    tracing::error!(%error, "the articles could not be read");
    match error {
        Error::Unavailable(_) | Error::Lost(_) | Error::Timeout(_) | Error::Raced => {
            unavailable("the database cannot be reached at the moment")
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn unavailable(message: impl Into<String>) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = http::rejection(status, ErrorCode::UNAVAILABLE, message);
    let seconds = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

/// Writes the articles of the list one after the other.
#[derive(Default)]
struct Array {
    has_begun: bool,
}

impl Array {
    /// These articles as the next items of the array.
    fn items(&mut self, articles: Vec<Article>) -> Result<Bytes> {
        let mut bytes = Vec::new();
        for article in articles {
            if std::mem::replace(&mut self.has_begun, true) {
                bytes.push(b',');
            }
            let item = Item {
                id: article.id.to_string(),
                title: &article.title,
                slug: &article.slug,
                text: &article.text,
                created_at: article.created_at.to_string(),
            };
            serde_json::to_writer(&mut bytes, &item).map_err(Error::internal)?;
        }
        Ok(bytes.into())
    }
}
