//! The API as an [`Executor`] of async-graphql: for programs that mount it with `async-graphql-axum`, or any other of
//! async-graphql's integrations, next to their own routes.
//!
//! Documents pass the guard as on the server's own transports, and responses are the same, except that async-graphql
//! writes `data` as null if an operation is rejected. Results are values of the engine and not JSON, so equal queries
//! share no execution. Admission, idempotency keys, persisted documents and the limit on bodies belong to the server's
//! own transports; `examples/embed.rs` shows what the mounting program adds.

use std::sync::Arc;

use async_graphql::{
    BatchRequest, BatchResponse, Data, ErrorExtensionValues, Executor, PathSegment as EnginePath,
    Pos, Request, Response, ServerError, Value, to_value,
};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::timeout;

use super::execution::response_errors;
use super::json::operation_context::Results;
use super::json::response::ordered;
use super::{Api, error};
use crate::clock::Clock;
use crate::error::{ErrorCode, PathSegment, ResponseError, ResponseErrors};
use graphql_guard::json::ObjectText;
use graphql_guard::{Operation, OperationKind};

impl Executor for Api {
    /// Executes a query or a mutation. A mutation that has begun is finished even if the future is dropped.
    async fn execute(&self, request: Request) -> Response {
        match self.prepare_request(&request) {
            Ok(operation) if operation.kind == OperationKind::Subscription => {
                let message =
                    "a subscription needs a transport of many responses, such as a WebSocket";
                rejected([ResponseError::new(ErrorCode::BAD_REQUEST, message)])
            }
            Ok(operation) => self.clone().respond(operation).await,
            Err(errors) => rejected(errors.iter().cloned()),
        }
    }

    /// Executes a single request. Batches are rejected, as on the server's own transports: a body could contain any
    /// number of operations, each within the limits.
    async fn execute_batch(&self, batch: BatchRequest) -> BatchResponse {
        BatchResponse::Single(match batch {
            BatchRequest::Single(request) => Executor::execute(self, request).await,
            BatchRequest::Batch(_) => {
                let message = "batches are not supported; send the requests one by one";
                rejected([ResponseError::new(ErrorCode::BAD_REQUEST, message)])
            }
        })
    }

    /// Executes an operation of any kind.
    fn execute_stream(
        &self,
        request: Request,
        _: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let api = self.clone();
        match self.prepare_request(&request) {
            Ok(operation) if operation.kind == OperationKind::Subscription => {
                async move { api.events(operation).await }
                    .flatten_stream()
                    .boxed()
            }
            Ok(operation) => stream::once(api.respond(operation)).boxed(),
            Err(errors) => stream::iter([rejected(errors.iter().cloned())]).boxed(),
        }
    }
}

impl Api {
    fn prepare_request(&self, request: &Request) -> Result<Operation, ResponseErrors> {
        let variables = ObjectText::from(&request.variables);
        let name = request.operation_name.as_deref();
        self.prepare(&request.query, name, &variables)
    }

    async fn respond(self, operation: Operation) -> Response {
        if operation.kind == OperationKind::Query {
            let query = timeout(self.0.query_timeout, self.values(&operation));
            return match query.await {
                Ok(response) => response,
                Err(_) => rejected(error::timeout_errors().iter().cloned()),
            };
        }
        let request_id = new_request_id();
        match tokio::spawn(async move { self.values(&operation).await }).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(%error, request_id, "a mutation panicked");
                rejected([ResponseError::internal(&request_id)])
            }
        }
    }

    async fn values(&self, operation: &Operation) -> Response {
        let response = self
            .run(operation, Results::Values, None, &Arc::default())
            .await;
        if operation.kind == OperationKind::Query
            && let Some(error) = error::too_large(&response)
        {
            return rejected([error]);
        }
        completed(response, operation)
    }

    async fn events(self, operation: Operation) -> BoxStream<'static, Response> {
        match self.begin(&operation, None, Results::Values).await {
            Ok(begun) => {
                let responses = begun.responses;
                responses
                    .map(move |response| completed(response, &operation))
                    .boxed()
            }
            Err(response) => stream::iter([completed(response, &operation)]).boxed(),
        }
    }
}

/// Sorts the fields in the order of the document, and adds codes to the errors.
fn completed(mut response: Response, operation: &Operation) -> Response {
    let request_id = match error::contains_request_id(&response) {
        true => new_request_id(),
        false => String::new(),
    };
    response.data = ordered(response.data, operation.document());
    let errors = std::mem::take(&mut response.errors);
    let errors = response_errors(errors, &request_id, operation.kind);
    response.errors = errors.into_iter().map(engine_error).collect();
    response
}

/// A response without data.
fn rejected(errors: impl IntoIterator<Item = ResponseError>) -> Response {
    Response::from_errors(errors.into_iter().map(engine_error).collect())
}

fn engine_error(error: ResponseError) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    if let Ok(Value::Object(fields)) = to_value(error.extensions()) {
        for (name, value) in fields {
            extensions.set(name.as_str(), value);
        }
    }
    let locations = error.locations.iter();
    let path = error.path.into_iter();
    ServerError {
        locations: locations
            .map(|location| Pos {
                line: location.line,
                column: location.column,
            })
            .collect(),
        path: path
            .map(|segment| match segment {
                PathSegment::Field(name) => EnginePath::Field(name),
                PathSegment::Index(index) => EnginePath::Index(index),
            })
            .collect(),
        extensions: Some(extensions),
        ..ServerError::new(error.message, None)
    }
}

/// An id for the log, because the mounting program's request ids are not known here.
fn new_request_id() -> String {
    Clock::system().new_id().to_string()
}
