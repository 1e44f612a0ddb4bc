//! The engine's part: converts an operation to the engine's request, and its response to the operation's result.

use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::{Request, Response, ServerError, Value};
use graphql_guard::{Operation, OperationKind};

use super::cursor_before::read_cursor_before;
use super::json::operation_context::{OperationContext, Results};
use super::json::response;
use super::{Api, ExecutionResult, ResponseBody, error};
use crate::budget::ResponseBudget;
use crate::error::ResponseError;
use crate::store::Statements;
use crate::store::idempotency::IdempotencyKey;

impl Api {
    /// Has the engine execute an operation, and adds the introspection results of the guard.
    pub(super) async fn run(
        &self,
        operation: &Operation,
        results: Results,
        once: Option<IdempotencyKey>,
        statements: &Arc<Statements>,
    ) -> Response {
        let mut response = match operation.needs_engine() {
            true => {
                let budget = ResponseBudget::new(self.0.response_bytes);
                let mut request = engine_request(operation, budget, results);
                if let Some(key) = once {
                    request.data.insert(key);
                }
                // Boxed, because the futures around it would all have room for it, and it is large.
                let execution = Box::pin(async move {
                    let document = operation.outline();
                    let cursor = read_cursor_before(&self.0.feed, document).await;
                    if let Some(cursor) = cursor {
                        request.data.insert(cursor);
                    }
                    self.0.schema.execute(request).await
                });
                statements.scope(execution).await
            }
            false => Response::new(Value::Object(IndexMap::new())),
        };
        if let Value::Object(fields) = &mut response.data {
            let introspection = operation.introspection.iter().cloned();
            fields.extend(introspection.map(|(key, json)| (key, Value::Binary(json))));
        }
        response
    }

    /// The result for the request with this id.
    pub(super) fn conclude(
        &self,
        response: Response,
        operation: &Operation,
        request_id: &str,
    ) -> ExecutionResult {
        let nothing_executed = error::nothing_executed(&response, operation.kind);
        let key_was_reused = error::key_was_reused(&response);
        let too_large = match operation.kind {
            OperationKind::Query => error::too_large(&response),
            _ => None,
        };
        let errors = response_errors(response.errors, request_id, operation.kind);
        if nothing_executed {
            return ExecutionResult::Unavailable(errors.into());
        }
        if let Some(error) = too_large {
            return ExecutionResult::Invalid([error].into());
        }
        if key_was_reused {
            return ExecutionResult::KeyReused(errors.into());
        }
        let document = operation.document();
        let most = match operation.kind {
            OperationKind::Query => self.0.response_bytes,
            // The result of a mutation is returned whatever its size: it was checked before the mutation.
            _ => usize::MAX,
        };
        match response::write(&response.data, &errors, document, most) {
            Ok(json) => ExecutionResult::Response(ResponseBody {
                json,
                has_errors: !errors.is_empty(),
                codes: errors.iter().map(|error| error.code).collect(),
            }),
            Err(bytes) => ExecutionResult::Invalid([error::too_large_error(most, bytes)].into()),
        }
    }
}

/// A copy of data and errors. JSON that resolvers have written is shared.
pub(super) fn copy(response: &Response) -> Response {
    let mut copy = Response::new(response.data.clone());
    copy.errors.clone_from(&response.errors);
    copy
}

/// Converts an operation to a request of the engine.
pub(super) fn engine_request(
    operation: &Operation,
    budget: ResponseBudget,
    results: Results,
) -> Request {
    // Not with its builder, each method of which moves the whole request.
    let mut request = Request::new("");
    request.variables = operation.variables.clone();
    request.data.insert(OperationContext {
        document: Arc::clone(operation.document()),
        budget,
        results,
    });
    request.set_parsed_query(operation.outline().clone());
    request
}

/// Converts the engine's errors for the request with this id.
pub(super) fn response_errors(
    errors: Vec<ServerError>,
    request_id: &str,
    kind: OperationKind,
) -> Vec<ResponseError> {
    let errors = errors.into_iter();
    errors
        .map(|error| error::response_error(error, request_id, kind))
        .collect()
}
