//! What executes operations: the application, as [`Pipeline`](super::Pipeline) sees it.

mod schema;

use std::time::{Duration, Instant};

use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;

pub use self::schema::{SchemaEngine, SchemaOperation};
use super::error::ResponseErrors;
use super::events::Events;
use super::operation::{Caller, GraphQLParams, Outcome, ResponseBody, Transport};

/// Executes operations. [`SchemaEngine`] is the one for a schema of async-graphql as it is; an application that limits
/// documents, shares executions or writes JSON itself implements its own. Cheap to clone.
///
/// `A` is as whom a caller is admitted, [`Admit::Caller`](super::Admit::Caller).
pub trait Engine<A>: Clone + Send + Sync + 'static {
    /// An operation that is ready to be executed.
    type Operation: PreparedOperation;

    /// What the engine notes of one operation while it prepares and executes it, for [`observe`](Self::observe); `()` for
    /// nothing. Clones share what is noted.
    type Notes: Clone + Default + Send + Sync + 'static;

    /// Makes an operation of a document ready to be executed. Nothing but the document decides about it: what comes
    /// again as the same bytes is not prepared again.
    ///
    /// # Errors
    /// Why it must not be executed; at least one reason.
    fn prepare(
        &self,
        document: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
        notes: &Self::Notes,
    ) -> Result<Self::Operation, ResponseErrors>;

    /// Waits until a mutation may begin, where only so many are executed at a time. Until then its client may go, and it
    /// is not executed.
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

    /// Executes a query or a mutation. Queries are dropped when their client has gone; mutations are not.
    fn execute(
        &self,
        operation: &Self::Operation,
        caller: &Caller<A>,
        notes: &Self::Notes,
    ) -> impl Future<Output = ExecutionResult> + Send;

    /// Whether [`execute_once`](Self::execute_once) is there. Without it `Idempotency-Key` is ignored.
    const EXECUTES_ONCE: bool = false;

    /// Executes a mutation unless it was executed under the same key before.
    fn execute_once(
        &self,
        operation: &Self::Operation,
        caller: &Caller<A>,
        request: KeyedRequest,
        notes: &Self::Notes,
    ) -> impl Future<Output = ExecutionResult> + Send {
        let _ = request;
        self.execute(operation, caller, notes)
    }

    /// Begins a subscription, after the event that [`Caller::last_event_id`] names, where it names one.
    ///
    /// While what it needs is not available, it is retried for as long as `patience`.
    ///
    /// # Errors
    /// It has not begun.
    fn subscribe(
        &self,
        operation: &Self::Operation,
        caller: &Caller<A>,
        patience: Duration,
    ) -> impl Future<Output = Result<Events, SubscribeError>> + Send;

    /// Is told what became of each operation, before its response is sent, in the task of its request. For logs and
    /// traces; it must not wait.
    fn observe(&self, ended: &EndedOperation<'_, A, Self::Operation>, notes: &Self::Notes) {
        let _ = (ended, notes);
    }
}

/// An operation that has ended, or a subscription that has begun.
#[derive(Clone, Copy)]
pub struct EndedOperation<'o, A, O> {
    /// What its caller gets.
    pub outcome: &'o Outcome,
    /// `None` where it could not be prepared, or its caller may not execute it.
    pub operation: Option<&'o O>,
    /// What was asked; `None` where the operation was known by the bytes of its request.
    pub params: Option<&'o GraphQLParams>,
    pub caller: &'o Caller<A>,
    pub transport: Transport,
    /// When the pipeline got it.
    pub began: Instant,
    /// From then until it could run.
    pub prepared_after: Option<Duration>,
    /// From then until now.
    pub duration: Duration,
}

/// What is held until a mutation has been executed, such as its turn.
pub type Begun = Option<Box<dyn Send>>;

/// An operation that is ready to be executed.
pub trait PreparedOperation: Send + Sync + 'static {
    /// Query, mutation or subscription.
    fn kind(&self) -> OperationKind;

    /// The operation's name. Metrics have it where the document is trusted.
    fn name(&self) -> Option<&str> {
        None
    }

    /// What it costs its caller, where callers are charged.
    fn cost(&self) -> u64;

    /// The number of fields at the root, without introspection: the number of mutations, if it is one.
    fn root_fields(&self) -> usize;

    /// An estimate of the memory that it takes, in bytes.
    fn bytes(&self) -> u64;
}

/// What a mutation is executed once under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The SHA-256 of the caller and its idempotency key.
    pub key: [u8; 32],
    /// The SHA-256 of what is asked.
    pub request: [u8; 32],
}

/// The result of a query or a mutation.
#[derive(Debug, Clone)]
pub enum ExecutionResult {
    /// It was executed. With `data`, and `errors` where fields failed.
    Response(ResponseBody),
    /// Without `errors`, as it was returned before under the same idempotency key.
    Replayed(ResponseBody),
    /// Nothing was executed: the document or its variables are not valid, or the response would be too large (400).
    Invalid(ResponseErrors),
    /// Nothing was executed, because the idempotency key was used before, by another request (422).
    KeyReused(ResponseErrors),
    /// Nothing was executed, because what it needs was not available or the time was over (503).
    Unavailable(ResponseErrors),
    /// The execution broke off by a fault of the server (500).
    Internal(ResponseErrors),
}

/// Why a subscription has not begun.
#[derive(Debug, Clone)]
pub enum SubscribeError {
    /// The document or its variables are not valid (400).
    Invalid(ResponseErrors),
    /// What it needs is not available: its client is to come back (503, on a socket 1013).
    Unavailable(ResponseErrors),
}
