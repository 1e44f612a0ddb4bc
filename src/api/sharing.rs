//! How equal queries share executions: a query acquires a permit when it leads one, and those that join it need none.
//!
//! Decisions: `docs/decisions/0002-coalescing.md` and `docs/decisions/0015-overload.md`.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use async_graphql::Response;
use coalesce::Panicked;
use graphql_guard::Operation;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::execution::copy;
use super::json::operation_context::Results;
use super::{Api, ExecutionResult, Statements, error, out_of_time, overloaded};
use crate::error::{Error, ResponseError};
use crate::overload::Overloaded;

/// The result that equal queries share. Failures are shared too: if each query retried on its own, the load would
/// multiply just when the database is down.
#[derive(Clone)]
pub(super) enum Shared {
    Result(ExecutionResult),
    /// With an error that will contain the id of the request, so each request writes its own response.
    Failed(Arc<Response>),
    /// Not executed, because the queue is full; no other query shares it.
    NoRoom,
}

impl Shared {
    fn overloaded(error: Overloaded) -> Self {
        Self::Result(ExecutionResult::Unavailable(overloaded(error)))
    }
}

impl Api {
    pub(super) async fn execute_shared(
        &self,
        operation: &Operation,
        request_id: &str,
        own: &OnceLock<Arc<Statements>>,
    ) -> ExecutionResult {
        let deadline = Instant::now() + self.0.query_timeout;
        let execute = || self.execute_query(operation, request_id, own, deadline);
        let in_order = |members| async move {
            if !operation.needs_engine() {
                return execute().await;
            }
            match self.0.queries.acquire_in_order(members > 1).await {
                Ok(Some(_permit)) => execute().await,
                Ok(None) => Shared::NoRoom,
                Err(error) => Shared::overloaded(error),
            }
        };
        let shared = async {
            let key = operation.key().clone();
            match self.0.reads.get_for(key, in_order).await {
                Ok(Shared::NoRoom) => Box::pin(self.execute_from_overflow(execute)).await,
                shared => shared,
            }
        };
        let (mut shared, mut end) = (pin!(shared), pin!(sleep_until(deadline)));
        // While this call executes the query itself, the timer above is enough.
        let in_time = poll_fn(|context| match shared.as_mut().poll(context) {
            Poll::Pending if own.get().is_none() => end.as_mut().poll(context).map(|()| None),
            shared => shared.map(Some),
        });
        let Some(shared) = in_time.await else {
            return out_of_time();
        };
        match shared {
            Ok(Shared::Result(result)) => result,
            Ok(Shared::Failed(response)) => self.conclude(copy(&response), operation, request_id),
            Ok(Shared::NoRoom) => ExecutionResult::Unavailable(overloaded(Overloaded)),
            Err(panicked) => {
                tracing::error!(error = %Error::internal(panicked), "an operation failed");
                ExecutionResult::Internal([ResponseError::internal(request_id)].into())
            }
        }
    }

    /// Waits in the overflow for the permit of a query, and executes it for its own call alone: equal queries that
    /// arrive later may find a place in the queue, and must not wait for one that is late.
    async fn execute_from_overflow<Fut: Future<Output = Shared>>(
        &self,
        execute: impl FnOnce() -> Fut,
    ) -> std::result::Result<Shared, Panicked> {
        match self.0.queries.acquire().await {
            Ok(_permit) => self.0.reads.alone(execute).await,
            Err(error) => Ok(Shared::overloaded(error)),
        }
    }

    /// Executes a query that has its permit, or needs none.
    async fn execute_query(
        &self,
        operation: &Operation,
        request_id: &str,
        own: &OnceLock<Arc<Statements>>,
        deadline: Instant,
    ) -> Shared {
        let statements = own.get_or_init(|| self.statements());
        let run = self.run(operation, Results::Json, None, statements);
        match timeout_at(deadline, run).await {
            Ok(response) if error::contains_request_id(&response) => {
                Shared::Failed(Arc::new(response))
            }
            Ok(response) => Shared::Result(self.conclude(response, operation, request_id)),
            // A timeout is shared too: otherwise the waiting calls would one after the other execute the query again.
            Err(_) => Shared::Result(out_of_time()),
        }
    }
}
