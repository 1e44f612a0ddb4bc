//! The GraphQL API: the schema, and how an operation becomes an answer.
//!
//! [`crate::document`] makes an operation ready. Resolvers (`query.rs`, `mutation.rs`, `subscription.rs`) take the
//! [`Store`] or the [`Feed`] from the context, turn arguments into values of the domain (`input.rs`, `filter.rs`), and
//! show what comes back (`output.rs`, `changes.rs`). They return [`crate::error::Error`]; `error.rs` turns it into a
//! GraphQL error, in one place, and `answer.rs` writes the whole as JSON.

mod answer;
mod changes;
mod direct;
mod error;
mod escape;
mod filter;
mod input;
mod mutation;
mod output;
mod query;
mod scalar;
mod subscription;

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Context, Request, Response, SDLExportOptions, ValidationMode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde_json::{Map, Value};

use self::changes::{Progress, ResumeAfter};
use self::direct::UnderWay;
pub use self::error::refusals;
pub use self::filter::FilterLimits;
use self::mutation::Mutation;
use self::query::Query;
use self::subscription::Subscription;
use crate::article::change::FeedCursor;
use crate::budget::ResponseBudget;
use crate::coalesce::{Coalescer, Counts, Limits as CoalescerLimits};
use crate::config::LimitSettings;
use crate::document::{
    Documents, InvalidSchema, Limits, Operation, OperationKey, OperationKind, Refusal,
};
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::store::Store;

/// The schema with its resolvers.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// How large documents, filters and answers may be.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    pub document: Limits,
    pub filter: FilterLimits,
    /// The largest answer, in bytes, and the largest event of a subscription.
    pub response_bytes: usize,
}

/// What an answer may have where nobody says otherwise, in bytes.
pub const RESPONSE_BYTES: usize = 32 * 1024 * 1024;

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            document: Limits::default(),
            filter: FilterLimits::default(),
            response_bytes: RESPONSE_BYTES,
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
                cache_bytes: settings.document_cache_bytes,
                introspection: settings.introspection,
            },
            filter: FilterLimits {
                conditions: settings.max_filter_conditions,
                values: settings.max_filter_values,
                nesting: settings.max_filter_nesting,
            },
            response_bytes: settings.max_response_bytes,
        }
    }
}

/// The schema definition language of the API, as `schema.graphql` has it.
pub fn sdl() -> String {
    let schema = Schema::build(Query, Mutation, Subscription).finish();
    schema.sdl_with_options(SDLExportOptions::new().use_space_ident().indent_width(2))
}

/// Answers GraphQL operations. Clones share everything.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    schema: Schema,
    feed: Feed,
    documents: Documents,
    response_bytes: usize,
    /// Equal queries that wait at the same time share an execution. An answer with errors is not shared, because an
    /// error carries the id of its own request.
    reads: Coalescer<OperationKey, Option<Answer>>,
}

impl Api {
    /// An API over the articles of `store` and their changes, which `feed` reads.
    ///
    /// # Errors
    /// The schema is not one that documents can be prepared for, which only a fault of ours can bring about.
    pub fn new(
        store: Store,
        feed: Feed,
        settings: ApiSettings,
    ) -> std::result::Result<Self, InvalidSchema> {
        let schema = Schema::build(Query, Mutation, Subscription)
            // Documents are validated before they come here, by rules that the engine's own fall short of.
            .validation_mode(ValidationMode::Fast)
            .data(store)
            .data(feed.clone())
            .data(settings.filter)
            .finish();
        Ok(Self(Arc::new(Inner {
            documents: Documents::new(&sdl(), settings.document)?.with_leaves(&output::DIRECT),
            schema,
            feed,
            response_bytes: settings.response_bytes,
            reads: Coalescer::new(CoalescerLimits::default()),
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
        variables: &Map<String, Value>,
    ) -> std::result::Result<Operation, Vec<Refusal>> {
        self.0.documents.prepare(query, operation_name, variables)
    }

    /// Carries out a query or a mutation; `request_id` stands in the errors that are our fault.
    pub async fn execute(&self, operation: &Operation, request_id: &str) -> Answer {
        if operation.kind != OperationKind::Query {
            return self.run(operation, request_id).await;
        }
        let mut own = None;
        // In a box, because most calls of a busy query wait for another's execution, and this future is large.
        let shared = self.0.reads.get(operation.key().clone(), || async {
            match Box::pin(self.run(operation, request_id)).await {
                answer @ (Answer::Clean(_) | Answer::TooLarge(_)) => Some(answer),
                answer => {
                    own = Some(answer);
                    None
                }
            }
        });
        match (shared.await, own) {
            (Ok(Some(answer)), _) | (_, Some(answer)) => answer,
            // It was another call's that failed.
            (_, None) => Box::pin(self.run(operation, request_id)).await,
        }
    }

    /// How many queries shared an execution.
    pub fn shared_reads(&self) -> Counts {
        self.0.reads.counts()
    }

    /// Carries out a subscription: an answer for each change that follows. `resume_after` is where it broke off before,
    /// which stands above what its own arguments say. The stream ends with an error only, which is all that it has where the
    /// subscription is refused.
    pub fn subscribe(
        &self,
        operation: &Operation,
        resume_after: Option<String>,
        request_id: String,
    ) -> impl Stream<Item = Event> + Send + use<> {
        let progress = Progress::default();
        let budget = ResponseBudget::new(self.0.response_bytes);
        let mut request = engine_request(operation, budget).data(progress.clone());
        if let Some(cursor) = resume_after {
            request = request.data(ResumeAfter(cursor));
        }
        let document = Arc::clone(operation.document());
        self.0.schema.execute_stream(request).map(move |response| {
            let response = completed(response, &request_id);
            Event {
                body: match progress.has_begun() {
                    true => whole(&response, &document),
                    false => answer::refusal(&response),
                },
                cursor: progress.take_shown(),
            }
        })
    }

    async fn run(&self, operation: &Operation, request_id: &str) -> Answer {
        let budget = ResponseBudget::new(self.0.response_bytes);
        let request = engine_request(operation, budget);
        let request = changes::read_cursor_before(&self.0.feed, request).await;
        let response = completed(self.0.schema.execute(request).await, request_id);
        if operation.kind == OperationKind::Query && error::nothing_ran(&response) {
            return Answer::Unavailable(answer::errors(&response));
        }
        let document = operation.document();
        let body = match operation.kind {
            OperationKind::Query => {
                if let Some(refusal) = error::too_large(&response) {
                    return Answer::too_large(&refusal);
                }
                match answer::write(&response, document, self.0.response_bytes) {
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

/// What became of a query or a mutation. The bodies are JSON objects with `data`.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Without `errors`.
    Clean(Bytes),
    /// With `errors`.
    Flawed(Bytes),
    /// The database could not be had for any of it. The JSON list of errors.
    Unavailable(Bytes),
    /// A query whose answer would be too large. The JSON list of errors.
    TooLarge(Bytes),
}

impl Answer {
    fn too_large(refusal: &Refusal) -> Self {
        let errors = refusals(std::slice::from_ref(refusal));
        Self::TooLarge(errors.to_string().into())
    }
}

/// One answer of a subscription.
#[derive(Debug)]
pub struct Event {
    /// A JSON object with `data`, and `errors` where there are any; without `data` where the subscription is refused.
    pub body: Bytes,
    /// Where the change that it shows stands in the feed, for a transport that can resume there; `None` where the
    /// answer shows none, such as an error.
    pub cursor: Option<FeedCursor>,
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
    answer::write(response, document, usize::MAX).unwrap_or_default()
}

/// Gives the errors of an answer what the contract has beside them.
fn completed(mut response: Response, request_id: &str) -> Response {
    for error in &mut response.errors {
        error::complete(error, request_id);
    }
    response
}

/// The store that the resolvers work on.
fn store<'c>(ctx: &'c Context<'_>) -> Result<&'c Store> {
    ctx.data::<Store>()
        .map_err(|error| Error::internal(error.message))
}
