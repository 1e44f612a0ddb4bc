//! The GraphQL API: the schema, and how an operation becomes a response.
//!
//! [`graphql_guard`] prepares an operation. Resolvers (`query.rs`, `mutation.rs`, `subscription.rs`) take the [`Store`]
//! or the [`Feed`] from the context, convert arguments to values of the domain (`input.rs`, `filter.rs`), and results
//! to GraphQL types (`types.rs`). They return [`crate::error::Error`]; `error.rs` converts it to a GraphQL error, in
//! one place, and `json/response.rs` writes the response as JSON.
//!
//! Decisions: `docs/decisions/0002-coalescing.md` and `docs/decisions/0003-graphql-guard.md`.

mod changes;
mod cursor_before;
mod error;
mod events;
mod executed;
mod execution;
mod executor;
mod filter;
mod idempotency;
mod input;
mod json;
mod mutation;
mod progress;
mod query;
mod scalar;
mod selection;
mod settings;
mod sharing;
mod subscription;
mod types;

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use async_graphql::{Context, SDLExportOptions, ValidationMode};

pub use self::error::timeout_errors;
pub use self::events::{Event, Events, ResumePosition, Unavailable};
pub use self::executed::Executed;
pub use self::filter::FilterLimits;
use self::json::operation_context::Results;
use self::mutation::Mutation;
use self::query::Query;
pub use self::settings::ApiSettings;
use self::settings::guard_settings;
use self::sharing::Shared;
use self::subscription::Subscription;
use crate::error::{Error, ErrorCode, ResponseError, ResponseErrors, Result};
use crate::feed::Feed;
use crate::overload::{ConcurrencyLimit, ConcurrencyStatus, Overloaded, Permit};
use crate::store::idempotency::IdempotencyKey;
use crate::store::{FeedLag, Store};
pub use crate::store::{SlowStatement, Statements};
use coalesce::{Coalescer, Counts, Limits as CoalescerLimits};
use graphql_guard::json::ObjectText;
use graphql_guard::{Guard, InvalidSchema, Operation, OperationKey, OperationKind, Timings};
pub use graphql_transports::engine::{ExecutionResult, KeyedRequest};
pub use graphql_transports::operation::ResponseBody;

/// The schema with its resolvers.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema definition language of the API, as in `schema.graphql`.
pub fn sdl() -> &'static str {
    static SDL: LazyLock<String> = LazyLock::new(|| {
        let schema = Schema::build(Query, Mutation, Subscription).finish();
        schema.sdl_with_options(SDLExportOptions::new().use_space_ident().indent_width(2))
    });
    &SDL
}

/// Executes GraphQL operations. Clones share everything.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    schema: Schema,
    feed: Feed,
    guard: Guard,
    /// Equal queries that wait at the same time share an execution.
    reads: Coalescer<OperationKey, Shared>,
    queries: ConcurrencyLimit,
    mutations: ConcurrencyLimit,
    query_timeout: Duration,
    response_bytes: usize,
    idempotency_retention: Duration,
    keep_statements: bool,
}

impl Api {
    /// An API over the articles of `store` and their changes, which `feed` reads.
    ///
    /// # Errors
    /// The schema is not valid, which is a bug.
    pub fn new(
        store: Store,
        feed: Feed,
        settings: ApiSettings,
    ) -> std::result::Result<Self, InvalidSchema> {
        let schema = Schema::build(Query, Mutation, Subscription)
            // The guard has already validated documents, more strictly than the engine does.
            .validation_mode(ValidationMode::Fast)
            // The guard has already limited documents, with errors that name the exceeded limit.
            .limit_recursive_depth(usize::MAX)
            .disable_introspection()
            // Otherwise the engine searches all types for entities at each field of the query. The guard, which knows
            // nothing of federation, rejects the fields that this adds.
            .enable_federation()
            .data(store)
            .data(feed.clone())
            .data(settings.filter)
            .finish();
        Ok(Self(Arc::new(Inner {
            guard: Guard::new(sdl(), guard_settings(settings.document))?,
            schema,
            feed,
            response_bytes: settings.response_bytes,
            reads: Coalescer::new(CoalescerLimits::default()),
            queries: ConcurrencyLimit::new(settings.concurrency),
            mutations: ConcurrencyLimit::new(settings.concurrency),
            query_timeout: settings.query_timeout,
            idempotency_retention: settings.idempotency_retention,
            keep_statements: settings.keep_statements,
        })))
    }

    /// Like [`prepare`](Self::prepare), and returns how long its parts took.
    ///
    /// # Errors
    /// The same.
    pub fn prepare_timed(
        &self,
        query: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
        timings: &mut Timings,
    ) -> std::result::Result<Operation, ResponseErrors> {
        let guard = &self.0.guard;
        let prepared = guard.prepare_timed(query, operation_name, variables, timings);
        prepared.map_err(|errors| errors.into_iter().map(ResponseError::from).collect())
    }

    /// Prepares an operation of a document.
    ///
    /// # Errors
    /// Why it must not be executed; at least one error.
    pub fn prepare(
        &self,
        query: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
    ) -> std::result::Result<Operation, ResponseErrors> {
        self.prepare_timed(query, operation_name, variables, &mut Timings::default())
    }

    /// The permit of a mutation, held until it has been executed. A query acquires its permit itself, because queries
    /// that join another's execution need none.
    ///
    /// # Errors
    /// No permit is free in time: the mutation must not be executed.
    pub async fn mutation_permit(&self) -> std::result::Result<Permit, ResponseErrors> {
        let permit = self.0.mutations.acquire().await;
        permit.map_err(overloaded)
    }

    /// The concurrency limit of queries, for the list of all articles, which is not GraphQL.
    pub fn query_limit(&self) -> &ConcurrencyLimit {
        &self.0.queries
    }

    /// The status of the concurrency limits of queries and of mutations.
    pub fn concurrency(&self) -> [(&'static str, ConcurrencyStatus); 2] {
        [
            ("query", self.0.queries.status()),
            ("mutation", self.0.mutations.status()),
        ]
    }

    /// Executes a query or a mutation. Internal errors contain `request_id`.
    pub async fn execute(&self, operation: &Operation, request_id: &str) -> Executed {
        if operation.kind != OperationKind::Query {
            let statements = self.statements();
            let response = self.run(operation, Results::Json, None, &statements).await;
            return Executed {
                result: self.conclude(response, operation, request_id),
                statements: Some(statements),
            };
        }
        // Set if this call executes the query itself.
        let own = OnceLock::new();
        let result = self.execute_shared(operation, request_id, &own).await;
        Executed {
            result,
            statements: own.into_inner(),
        }
    }

    /// Executes a mutation unless it was already executed with the same key.
    pub async fn execute_once(
        &self,
        operation: &Operation,
        request_id: &str,
        KeyedRequest { key, request }: KeyedRequest,
    ) -> Executed {
        let key = IdempotencyKey {
            key,
            request,
            retention: self.0.idempotency_retention,
        };
        let statements = self.statements();
        let run = self.run(operation, Results::Json, Some(key), &statements);
        let response = run.await;
        let is_replayed = response.http_headers.contains_key(idempotency::REPLAYED);
        let result = match self.conclude(response, operation, request_id) {
            ExecutionResult::Response(body) if is_replayed && !body.has_errors => {
                ExecutionResult::Replayed(body)
            }
            result => result,
        };
        Executed {
            result,
            statements: Some(statements),
        }
    }

    /// Measures an execution.
    fn statements(&self) -> Arc<Statements> {
        match self.0.keep_statements {
            true => Arc::new(Statements::keeping_each()),
            false => Arc::default(),
        }
    }

    /// The number of queries that shared an execution.
    pub fn shared_reads(&self) -> Counts {
        self.0.reads.counts()
    }

    /// The number of subscriptions to the feed.
    pub fn subscribers(&self) -> usize {
        self.0.feed.subscribers()
    }

    /// How far the feed is behind, and how far its slowest subscription is.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn feed_lag(&self) -> Result<FeedLag> {
        self.0.feed.lag().await
    }
}

fn overloaded(error: Overloaded) -> ResponseErrors {
    [ResponseError::new(
        ErrorCode::UNAVAILABLE,
        error.to_string(),
    )]
    .into()
}

fn out_of_time() -> ExecutionResult {
    ExecutionResult::Unavailable(error::timeout_errors())
}

/// The store that resolvers use.
fn store<'c>(ctx: &'c Context<'_>) -> Result<&'c Store> {
    ctx.data::<Store>()
        .map_err(|error| Error::internal(error.message))
}
