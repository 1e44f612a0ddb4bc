//! `POST /graphql`, and the page that a browser gets there.

use async_graphql::Request;
use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::request_id::RequestId;
use super::{App, graphiql};

/// A page to try the API with.
pub(super) async fn page() -> Response {
    graphiql::page()
}

/// One operation a request.
pub(super) async fn post(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    body: Result<Json<Request>, JsonRejection>,
) -> Response {
    match body {
        Ok(Json(request)) => Json(app.api.execute(request, &id).await).into_response(),
        Err(rejection) => refusal(rejection.status(), "BAD_REQUEST", &rejection.body_text()),
    }
}

/// An answer to a request that is not carried out.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "message": message, "extensions": { "code": code } }] });
    (status, Json(body)).into_response()
}
