//! The trait of the application that executes operations for a [`Pipeline`](super::Pipeline).

mod schema;

use std::time::{Duration, Instant};

use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;

pub use self::schema::{SchemaEngine, SchemaOperation};
use super::error::ResponseErrors;
use super::events::Events;
use super::operation::{Caller, GraphQLParams, Outcome, ResponseBody, Transport};

/// Executes operations. [`SchemaEngine`] works with any schema of async-graphql; an application that limits documents,
/// shares executions or writes JSON itself implements its own engine. Cheap to clone.
///
/// `A` is the type of an admitted caller, [`Admit::Caller`](super::Admit::Caller).
pub trait Engine<A>: Clone + Send + Sync + 'static {
    /// An operation that is ready to be executed.
    type Operation: PreparedOperation;

    /// What the engine records about one operation while it prepares and executes it, for [`observe`](Self::observe);
    /// `()` for nothing. Clones share the record.
    type Observation: Clone + Default + Send + Sync + 'static;

    /// Prepares an operation of a document. The result must depend on the request only, because it is cached for later
    /// requests with the same bytes.
    ///
    /// # Errors
    /// Why it must not be executed; at least one error.
    fn prepare(
        &self,
        document: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
        observation: &Self::Observation,
    ) -> Result<Self::Operation, ResponseErrors>;

    /// Waits until a mutation may begin, where the number of concurrent ones is limited. If its client disconnects
    /// before that, the mutation is not executed.
    ///
    /// # Errors
    /// It may not begin in time (503). Nothing was executed.
    fn begin_mutation(
        &self,
        caller: &Caller<A>,
    ) -> impl Future<Output = Result<Begun, ResponseErrors>> + Send {
        let _ = caller;
        std::future::ready(Ok(None))
    }

    /// Executes a query or a mutation. A query is dropped when its client disconnects; a mutation is not.
    fn execute(
        &self,
        operation: &Self::Operation,
        caller: &Caller<A>,
        observation: &Self::Observation,
    ) -> impl Future<Output = ExecutionResult> + Send;

    /// Whether [`execute_once`](Self::execute_once) is implemented. If not, `Idempotency-Key` is ignored.
    const EXECUTES_ONCE: bool = false;

    /// Executes a mutation unless it was already executed with the same key.
    fn execute_once(
        &self,
        operation: &Self::Operation,
        caller: &Caller<A>,
        request: KeyedRequest,
        observation: &Self::Observation,
    ) -> impl Future<Output = ExecutionResult> + Send {
        let _ = request;
        self.execute(operation, caller, observation)
    }

    /// Begins a subscription, after the event that [`Caller::last_event_id`] names, if any.
    ///
    /// While a resource that it needs is unavailable, it retries for as long as `retry_for`.
    ///
    /// # Errors
    /// It has not begun.
    fn subscribe(
        &self,
        operation: &Self::Operation,
        caller: &Caller<A>,
        retry_for: Duration,
    ) -> impl Future<Output = Result<Events, SubscribeError>> + Send;

    /// Is called with the outcome of each operation, before its response is sent, in the task of its request. For logs
    /// and traces; it must not block.
    fn observe(
        &self,
        ended: &EndedOperation<'_, A, Self::Operation>,
        observation: &Self::Observation,
    ) {
        let _ = (ended, observation);
    }
}

/// An operation that has ended, or a subscription that has begun.
#[derive(Clone, Copy)]
pub struct EndedOperation<'o, A, O> {
    /// The outcome for its caller.
    pub outcome: &'o Outcome,
    /// `None` where it could not be prepared, or its caller may not execute it.
    pub operation: Option<&'o O>,
    /// The request's parameters; `None` where the operation was found by the bytes of its request.
    pub params: Option<&'o GraphQLParams>,
    pub caller: &'o Caller<A>,
    pub transport: Transport,
    /// When the pipeline received it.
    pub began: Instant,
    /// The time from then until it was prepared.
    pub prepared_after: Option<Duration>,
    /// The time from then until now.
    pub duration: Duration,
}

/// A value that is held until a mutation has been executed, such as its permit.
pub type Begun = Option<Box<dyn Send>>;

/// An operation that is ready to be executed.
pub trait PreparedOperation: Send + Sync + 'static {
    /// Query, mutation or subscription.
    fn kind(&self) -> OperationKind;

    /// The operation's name. It is a label of metrics where the document is trusted.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Its cost, where callers are charged.
    fn cost(&self) -> u64;

    /// The number of root fields, without introspection: for a mutation, the number of mutations.
    fn root_fields(&self) -> usize;

    /// The estimated memory that it takes, in bytes.
    fn bytes(&self) -> u64;
}

/// The idempotency key of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The SHA-256 of the caller and its idempotency key.
    pub key: [u8; 32],
    /// The SHA-256 of the request.
    pub request: [u8; 32],
}

/// The result of a query or a mutation.
#[derive(Debug, Clone)]
pub enum ExecutionResult {
    /// It was executed. With `data`, and `errors` where fields failed.
    Response(ResponseBody),
    /// The response of an earlier request with the same idempotency key. Without `errors`.
    Replayed(ResponseBody),
    /// Nothing was executed: the document or its variables are not valid, or the response would be too large (400).
    Invalid(ResponseErrors),
    /// Nothing was executed, because the idempotency key was already used with another request (422).
    KeyReused(ResponseErrors),
    /// Nothing was executed, because a required resource was unavailable or the time limit was exceeded (503).
    Unavailable(ResponseErrors),
    /// The execution failed because of a bug of the server (500).
    Internal(ResponseErrors),
}

/// Why a subscription has not begun.
#[derive(Debug, Clone)]
pub enum SubscribeError {
    /// The document or its variables are not valid (400).
    Invalid(ResponseErrors),
    /// A required resource is unavailable: the client should retry (503, on a socket 1013).
    Unavailable(ResponseErrors),
}
