//! The GraphQL API: the schema, and how an operation becomes an answer.
//!
//! [`graphql_guard`] makes an operation ready. Resolvers (`query.rs`, `mutation.rs`, `subscription.rs`) take the
//! [`Store`] or the [`Feed`] from the context, turn arguments into values of the domain (`input.rs`, `filter.rs`), and
//! show what comes back (`output.rs`, `changes.rs`). They return [`crate::error::Error`]; `error.rs` turns it into a
//! GraphQL error, in one place, and `json/response.rs` writes the whole as JSON.
//!
//! Decisions: `docs/decisions/0002-coalescing.md` and `docs/decisions/0003-graphql-guard.md`.

mod changes;
mod error;
mod events;
mod filter;
mod input;
mod json;
mod mutation;
mod once;
mod output;
mod progress;
mod query;
mod scalar;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{
    Context, Request, Response, SDLExportOptions, ServerError, ValidationMode, Value,
};
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

pub use self::error::{request_errors, timeout_errors};
pub use self::events::{Event, Events, ResumePosition, Unavailable};
pub use self::filter::FilterLimits;
use self::json::prewritten::UnderWay;
use self::json::response;
use self::mutation::Mutation;
use self::query::Query;
use self::subscription::Subscription;
use crate::budget::ResponseBudget;
use crate::config::LimitSettings;
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::store::Store;
use crate::store::idempotency::IdempotencyKey;
use coalesce::{Coalescer, Counts, Limits as CoalescerLimits};
use graphql_guard::json::ObjectText;
use graphql_guard::{
    Guard, InvalidSchema, Limits, Operation, OperationKey, OperationKind, Pages, RequestError,
    ScalarInput, Settings as GuardSettings, ValueLimits,
};

/// The schema with its resolvers.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// How large documents, filters and responses may be, and how long a query may take.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    pub document: Limits,
    pub filter: FilterLimits,
    pub query_timeout: Duration,
    /// The largest response, in bytes, and the largest event of a subscription.
    pub response_bytes: usize,
    /// How long the answer to a mutation under an idempotency key is kept.
    pub idempotency_retention: Duration,
}

/// The limit of a response by default, in bytes.
pub const RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// How long answers under idempotency keys are kept by default.
pub const IDEMPOTENCY_RETENTION: Duration = Duration::from_hours(24);

/// What a mutation is carried out once under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The SHA-256 of the caller and its idempotency key.
    pub key: [u8; 32],
    /// The SHA-256 of what is asked.
    pub request: [u8; 32],
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            document: Limits::default(),
            filter: FilterLimits::default(),
            query_timeout: Duration::from_secs(30),
            response_bytes: RESPONSE_BYTES,
            idempotency_retention: IDEMPOTENCY_RETENTION,
        }
    }
}

impl From<&LimitSettings> for ApiSettings {
    fn from(settings: &LimitSettings) -> Self {
        Self {
            document: Limits {
                document_tokens: settings.max_tokens,
                nesting: settings.max_nesting,
                selections: settings.max_selections,
                depth: settings.max_depth,
                aliases: settings.max_aliases,
                root_fields: settings.max_root_fields,
                directives: settings.max_directives,
                complexity: settings.max_complexity,
                values: ValueLimits::new(
                    settings.max_filter_conditions,
                    settings.max_filter_values,
                    changes::MAX_ARTICLE_IDS.max(mutation::MAX_ARTICLES),
                ),
                cache_bytes: settings.document_cache_bytes,
                introspection: settings.introspection,
            },
            filter: FilterLimits {
                conditions: settings.max_filter_conditions,
                values: settings.max_filter_values,
                nesting: settings.max_filter_nesting,
            },
            response_bytes: settings.max_response_bytes,
            ..Self::default()
        }
    }
}

/// The schema definition language of the API, as `schema.graphql` has it.
pub fn sdl() -> String {
    let schema = Schema::build(Query, Mutation, Subscription).finish();
    schema.sdl_with_options(SDLExportOptions::new().use_space_ident().indent_width(2))
}

/// What the guard is told about the schema.
fn guard_settings(limits: Limits) -> GuardSettings {
    let page_arguments = ["limit", "first", "last", "ids", "inputs"];
    GuardSettings {
        limits,
        pages: Pages {
            arguments: page_arguments.map(str::to_owned).into(),
            ..Pages::default()
        },
        scalars: [("DateTime".to_owned(), ScalarInput::String)].into(),
        prewritten: output::DIRECT.map(str::to_owned).into(),
    }
}

/// Answers GraphQL operations. Clones share everything.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    schema: Schema,
    feed: Feed,
    guard: Guard,
    /// Equal queries that wait at the same time share an execution.
    reads: Coalescer<OperationKey, Shared>,
    query_timeout: Duration,
    response_bytes: usize,
    idempotency_retention: Duration,
}

/// What equal queries share: a failure too, because to execute again, each for itself, would multiply the load just
/// when the database is down.
#[derive(Clone)]
enum Shared {
    Answer(Answer),
    /// With an error that carries the id of the request, so that each request writes its own.
    Failed(Arc<Response>),
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
            // Documents are validated before they come here, by rules that the engine's own fall short of.
            .validation_mode(ValidationMode::Fast)
            // Documents are bounded before they come here, and told which limit they went over.
            .limit_recursive_depth(usize::MAX)
            .disable_introspection()
            .data(store)
            .data(feed.clone())
            .data(settings.filter)
            .finish();
        Ok(Self(Arc::new(Inner {
            guard: Guard::new(&sdl(), guard_settings(settings.document))?,
            schema,
            feed,
            response_bytes: settings.response_bytes,
            reads: Coalescer::new(CoalescerLimits::default()),
            query_timeout: settings.query_timeout,
            idempotency_retention: settings.idempotency_retention,
        })))
    }

    /// Makes an operation of a document ready. Nothing of it runs.
    ///
    /// # Errors
    /// Why it will not run: at least one reason.
    pub fn prepare(
        &self,
        query: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
    ) -> std::result::Result<Operation, Vec<RequestError>> {
        self.0.guard.prepare(query, operation_name, variables)
    }

    /// Carries out a query or a mutation; `request_id` stands in the errors that are our fault.
    pub async fn execute(&self, operation: &Operation, request_id: &str) -> Answer {
        if operation.kind != OperationKind::Query {
            return self.conclude(self.run(operation, None).await, operation, request_id);
        }
        let deadline = Instant::now() + self.0.query_timeout;
        // Boxed, because most calls of a busy query wait for another's execution, and this future is large.
        let shared = self.0.reads.get(operation.key().clone(), || async {
            // Within the execution, so that it is shared too: else each that waits would lead in turn, and begin again.
            match timeout_at(deadline, Box::pin(self.run(operation, None))).await {
                Ok(response) if error::tells_request_id(&response) => {
                    Shared::Failed(Arc::new(response))
                }
                Ok(response) => Shared::Answer(self.conclude(response, operation, request_id)),
                Err(_) => Shared::Answer(out_of_time()),
            }
        });
        let Ok(shared) = timeout_at(deadline, shared).await else {
            return out_of_time();
        };
        match shared {
            Ok(Shared::Answer(answer)) => answer,
            Ok(Shared::Failed(response)) => self.conclude(copy(&response), operation, request_id),
            Err(panicked) => {
                let mut error = ServerError::new(String::new(), None);
                error.source = Some(Arc::new(Error::internal(panicked)));
                let response = Response::from_errors(vec![error]);
                let response = completed(response, request_id, operation.kind);
                Answer::Internal(response::errors(&response))
            }
        }
    }

    /// Carries out a mutation unless it was carried out under the same key before.
    pub async fn execute_once(
        &self,
        operation: &Operation,
        request_id: &str,
        KeyedRequest { key, request }: KeyedRequest,
    ) -> Answer {
        let key = IdempotencyKey {
            key,
            request,
            retention: self.0.idempotency_retention,
        };
        let response = self.run(operation, Some(key)).await;
        let is_replayed = response.http_headers.contains_key(once::REPLAYED);
        match self.conclude(response, operation, request_id) {
            Answer::Clean(body) if is_replayed => Answer::Replayed(body),
            answer => answer,
        }
    }

    /// How many queries shared an execution.
    pub fn shared_reads(&self) -> Counts {
        self.0.reads.counts()
    }

    async fn run(&self, operation: &Operation, once: Option<IdempotencyKey>) -> Response {
        let mut response = match operation.needs_engine() {
            true => {
                let budget = ResponseBudget::new(self.0.response_bytes);
                let mut request = engine_request(operation, budget);
                if let Some(key) = once {
                    request = request.data(key);
                }
                let request = changes::read_cursor_before(&self.0.feed, request).await;
                self.0.schema.execute(request).await
            }
            false => Response::new(Value::Object(IndexMap::new())),
        };
        if let Value::Object(fields) = &mut response.data {
            let answers = operation.introspection.iter().cloned();
            fields.extend(answers.map(|(key, answer)| (key, Value::Binary(answer))));
        }
        response
    }

    /// The response as it is sent to the request with this id.
    fn conclude(&self, response: Response, operation: &Operation, request_id: &str) -> Answer {
        let nothing_ran = error::nothing_ran(&response, operation.kind);
        let key_was_reused = error::key_was_reused(&response);
        let response = completed(response, request_id, operation.kind);
        if nothing_ran {
            return Answer::Unavailable(response::errors(&response));
        }
        if key_was_reused {
            return Answer::KeyReused(response::errors(&response));
        }
        let document = operation.document();
        let body = match operation.kind {
            OperationKind::Query => {
                if let Some(error) = error::too_large(&response) {
                    return Answer::too_large(&error);
                }
                match response::write(&response, document, self.0.response_bytes) {
                    Ok(body) => body,
                    Err(bytes) => {
                        return Answer::too_large(&error::over(self.0.response_bytes, bytes));
                    }
                }
            }
            // What has happened is told. Whether there is room for it was asked before.
            _ => whole(&response, document),
        };
        match response.errors.is_empty() {
            true => Answer::Clean(body),
            false => Answer::Flawed(body),
        }
    }
}

fn out_of_time() -> Answer {
    Answer::Unavailable(error::timeout_errors())
}

/// What is written of a response. What resolvers have written already is not copied.
fn copy(response: &Response) -> Response {
    let mut copy = Response::new(response.data.clone());
    copy.errors.clone_from(&response.errors);
    copy
}

/// What became of a query or a mutation. The bodies are JSON objects with `data`.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Without `errors`.
    Clean(Bytes),
    /// With `errors`.
    Flawed(Bytes),
    /// Without `errors`, as it was given before under the same idempotency key.
    Replayed(Bytes),
    /// Nothing was done, because the idempotency key came before with another request. The JSON list of errors.
    KeyReused(Bytes),
    /// Nothing was done, because the database was not available. The JSON list of errors.
    Unavailable(Bytes),
    /// The execution broke off by a fault of ours. The JSON list of errors.
    Internal(Bytes),
    /// A query whose response would be too large. The JSON list of errors.
    TooLarge(Bytes),
}

impl Answer {
    fn too_large(error: &RequestError) -> Self {
        let errors = request_errors(std::slice::from_ref(error));
        Self::TooLarge(errors.to_string().into())
    }
}

fn engine_request(operation: &Operation, budget: ResponseBudget) -> Request {
    let mut request = Request::new("")
        .variables(operation.variables.clone())
        .data(UnderWay {
            document: Arc::clone(operation.document()),
            budget,
        });
    request.set_parsed_query(operation.outline().clone());
    request
}

/// An answer of any size.
fn whole(response: &Response, document: &ExecutableDocument) -> Bytes {
    response::write(response, document, usize::MAX).unwrap_or_default()
}

/// Gives the errors of an answer what the contract has beside them.
fn completed(mut response: Response, request_id: &str, kind: OperationKind) -> Response {
    for error in &mut response.errors {
        error::complete(error, request_id, kind);
    }
    response
}

/// The store that the resolvers work on.
fn store<'c>(ctx: &'c Context<'_>) -> Result<&'c Store> {
    ctx.data::<Store>()
        .map_err(|error| Error::internal(error.message))
}
