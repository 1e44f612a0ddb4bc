//! Any schema of async-graphql as an engine.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection,
};
use async_graphql::{Executor, Positioned, Request, Response, ServerError, Variables};
use futures_util::StreamExt as _;
use futures_util::future::poll_immediate;
use futures_util::stream;
use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;
use tokio::time::timeout;

use super::{Engine, ExecutionResult, PreparedOperation, SubscribeError};
use crate::error::{ErrorCode, Location, ResponseError, ResponseErrors};
use crate::events::{Event, Events};
use crate::operation::{Caller, ResponseBody};
use crate::pipeline;

/// Executes operations on an [`Executor`] of async-graphql: a schema, static or dynamic, with its extensions and
/// limits.
///
/// async-graphql parses documents, and validates them when they are executed. Its parser recurses, so the length of a
/// document is limited; for untrusted callers, write an engine that puts `graphql-guard` in front.
pub struct SchemaEngine<X, A = ()> {
    executor: X,
    context: Option<Arc<AddContext<A>>>,
    query_timeout: Duration,
}

type AddContext<A> = dyn Fn(Request, &Caller<A>) -> Request + Send + Sync;

impl<X: Clone, A> Clone for SchemaEngine<X, A> {
    fn clone(&self) -> Self {
        Self {
            executor: self.executor.clone(),
            context: self.context.clone(),
            query_timeout: self.query_timeout,
        }
    }
}

impl<X: Executor, A> SchemaEngine<X, A> {
    /// Executes on this schema, with a time limit of half a minute for a query.
    pub fn new(executor: X) -> Self {
        Self {
            executor,
            context: None,
            query_timeout: Duration::from_secs(30),
        }
    }

    /// Adds data about the caller to each request, for resolvers: `|request, caller|
    /// request.data(caller.admitted.clone())`.
    #[must_use]
    pub fn with_context(
        mut self,
        add: impl Fn(Request, &Caller<A>) -> Request + Send + Sync + 'static,
    ) -> Self {
        self.context = Some(Arc::new(add));
        self
    }

    /// Sets the time limit for a query; then 503.
    #[must_use]
    pub fn with_query_timeout(mut self, timeout: Duration) -> Self {
        self.query_timeout = timeout;
        self
    }

    fn request(&self, operation: &SchemaOperation, caller: &Caller<A>) -> Request {
        let mut request = Request::new(&*operation.text).variables(operation.variables.clone());
        request.operation_name.clone_from(&operation.name);
        request.set_parsed_query(operation.document.clone());
        match &self.context {
            Some(add) => add(request, caller),
            None => request,
        }
    }
}

/// An operation of a parsed document.
pub struct SchemaOperation {
    text: Box<str>,
    document: ExecutableDocument,
    name: Option<String>,
    variables: Variables,
    variables_bytes: usize,
    kind: OperationKind,
    root_fields: usize,
}

impl PreparedOperation for SchemaOperation {
    fn kind(&self) -> OperationKind {
        self.kind
    }

    /// One, because the schema does not declare costs.
    fn cost(&self) -> u64 {
        1
    }

    fn root_fields(&self) -> usize {
        self.root_fields
    }

    fn bytes(&self) -> u64 {
        /// The memory of a parsed document per byte of its text, measured; values of variables take about as much.
        const OF_TEXT: usize = 50;
        (OF_TEXT * (self.text.len() + self.variables_bytes)) as u64
    }
}

impl<X: Executor, A: Send + Sync + 'static> Engine<A> for SchemaEngine<X, A> {
    type Operation = SchemaOperation;
    type Observation = ();

    fn prepare(
        &self,
        document: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
        (): &(),
    ) -> Result<SchemaOperation, ResponseErrors> {
        let parsed = parse_query(document).map_err(|error| {
            let error = ServerError::from(error);
            [of_request(&error, ErrorCode::PARSE_FAILED)]
        })?;
        let operation = find(&parsed, operation_name)
            .map_err(|message| [ResponseError::new(ErrorCode::BAD_REQUEST, message)])?;
        let read = serde_json::from_str(variables.as_str()).map_err(|error| {
            let message = format!("the variables cannot be read: {error}");
            [ResponseError::new(ErrorCode::BAD_USER_INPUT, message)]
        })?;
        Ok(SchemaOperation {
            kind: operation.ty,
            root_fields: root_fields(&parsed, operation),
            text: document.into(),
            name: operation_name.map(str::to_owned),
            variables: read,
            variables_bytes: variables.as_str().len(),
            document: parsed,
        })
    }

    async fn execute(
        &self,
        operation: &SchemaOperation,
        caller: &Caller<A>,
        (): &(),
    ) -> ExecutionResult {
        let response = self.executor.execute(self.request(operation, caller));
        let response = match operation.kind {
            OperationKind::Query => match timeout(self.query_timeout, response).await {
                Ok(response) => response,
                Err(_) => return ExecutionResult::Unavailable([pipeline::timeout()].into()),
            },
            _ => response.await,
        };
        match request_errors(&response) {
            Some(errors) => ExecutionResult::Invalid(errors),
            None => written(&response).map_or_else(ExecutionResult::Internal, |json| {
                ExecutionResult::Response(ResponseBody {
                    json: json.into(),
                    has_errors: !response.errors.is_empty(),
                    codes: Vec::new(),
                })
            }),
        }
    }

    async fn subscribe(
        &self,
        operation: &SchemaOperation,
        caller: &Caller<A>,
        _: Duration,
    ) -> Result<Events, SubscribeError> {
        let request = self.request(operation, caller);
        let mut responses = self.executor.execute_stream(request, None);
        // An invalid document fails immediately, while the first event may take any time.
        let first = poll_immediate(responses.next()).await;
        let first = match first {
            Some(Some(response)) => match request_errors(&response) {
                Some(errors) => return Err(SubscribeError::Invalid(errors)),
                None => Some(response),
            },
            // A stream must not be polled again after it has ended.
            Some(None) => return Ok(Events::from(stream::empty().boxed())),
            None => None,
        };
        let events = stream::iter(first).chain(responses).map(|response| Event {
            body: written(&response).unwrap_or_default().into(),
            cursor: None,
        });
        Ok(Events::from(events.boxed()))
    }
}

/// `GetOperation` (GraphQL specification, section 6.1).
fn find<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<&'d OperationDefinition, &'static str> {
    let found = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            let first = all.next();
            if all.next().is_some() {
                return Err(
                    "the document has several operations, so `operationName` must name one of them",
                );
            }
            first
        }
    };
    let missing = "the document has no operation with the name in `operationName`";
    found.map(|operation| &operation.node).ok_or(missing)
}

/// The root fields, including those of fragments. Detecting cycles of fragments is the validator's task, so each
/// fragment is visited once.
fn root_fields(document: &ExecutableDocument, operation: &OperationDefinition) -> usize {
    let mut count = 0;
    let mut seen = Vec::new();
    let mut sets = vec![&operation.selection_set.node];
    while let Some(set) = sets.pop() {
        for Positioned { node, .. } in &set.items {
            match node {
                Selection::Field(field) => {
                    count += usize::from(!field.node.name.node.starts_with("__"));
                }
                Selection::InlineFragment(fragment) => {
                    sets.push(&fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if !seen.contains(&name)
                        && let Some(fragment) = document.fragments.get(name)
                    {
                        seen.push(name);
                        sets.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    count
}

/// The errors of a response whose execution did not begin: field errors have a path, these have not.
fn request_errors(response: &Response) -> Option<ResponseErrors> {
    let is_of_request = |error: &ServerError| error.path.is_empty();
    let nothing_executed = response.data == async_graphql::Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(is_of_request);
    nothing_executed.then(|| {
        let errors = response.errors.iter();
        errors
            .map(|error| of_request(error, ErrorCode::VALIDATION_FAILED))
            .collect()
    })
}

fn of_request(error: &ServerError, code: ErrorCode) -> ResponseError {
    let locations = error.locations.iter().map(|position| Location {
        line: position.line,
        column: position.column,
    });
    ResponseError {
        locations: locations.collect(),
        ..ResponseError::new(code, error.message.as_str())
    }
}

/// The response as JSON.
///
/// # Errors
/// One of its values cannot be serialized.
fn written(response: &Response) -> Result<Vec<u8>, ResponseErrors> {
    serde_json::to_vec(response).map_err(|error| {
        tracing::error!(%error, "a response cannot be written as JSON");
        let message = "the response cannot be written as JSON";
        [ResponseError::new(ErrorCode::INTERNAL, message)].into()
    })
}
