//! `POST /graphql`, and the page that a browser gets there.

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::operation::{Caller, Execute as _, GraphQLParams, Outcome, Transport};
use super::request_id::RequestId;
use super::{App, graphiql};

/// A page to try the API with.
pub(super) async fn page() -> Response {
    graphiql::page()
}

/// One operation a request.
pub(super) async fn post(
    State(app): State<App>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match GraphQLParams::from_json(&body) {
        Ok(params) => params,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, "BAD_REQUEST", &error.to_string()),
    };
    let caller = Caller {
        headers,
        request_id,
        ..Caller::default()
    };
    let (status, body) = match app.execute(params, &caller, Transport::HttpPost).await {
        Outcome::Single(answer) => (StatusCode::OK, answer),
        Outcome::Refused(refusal) => (refusal.status, refusal.body()),
        Outcome::Stream(_) => (StatusCode::NOT_ACCEPTABLE, axum::body::Bytes::new()),
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An answer to a request that is not carried out.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "message": message, "extensions": { "code": code } }] });
    (status, Json(body)).into_response()
}
