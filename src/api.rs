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

use async_graphql::indexmap::IndexMap;
use async_graphql::{Context, Request, Response, SDLExportOptions, ValidationMode, Value};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use self::changes::{Progress, ResumeAfter};
use self::direct::Plain;
pub use self::error::refusals;
pub use self::filter::FilterLimits;
use self::mutation::Mutation;
use self::query::Query;
use self::subscription::Subscription;
use crate::article::change::FeedCursor;
use crate::coalesce::{Coalescer, Counts, Limits as CoalescerLimits};
use crate::config::LimitSettings;
use crate::document::{
    Documents, InvalidSchema, Limits, Operation, OperationKey, OperationKind, Refusal, ValueLimits,
};
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::json::ObjectText;
use crate::store::Store;

/// The schema with its resolvers.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// How large documents and filters may be.
#[derive(Debug, Clone, Default)]
pub struct ApiSettings {
    pub document: Limits,
    pub filter: FilterLimits,
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
    /// Equal queries that wait at the same time share an execution. Only an answer without errors is shared, because
    /// an error carries the id of its own request.
    reads: Coalescer<OperationKey, Option<Bytes>>,
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
            // Documents are bounded before they come here, and told which limit they went over.
            .limit_recursive_depth(usize::MAX)
            .disable_introspection()
            .data(store)
            .data(feed.clone())
            .data(settings.filter)
            .finish();
        Ok(Self(Arc::new(Inner {
            documents: Documents::new(&sdl(), settings.document)?.with_leaves(&output::DIRECT),
            schema,
            feed,
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
        variables: &ObjectText,
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
                Answer::Clean(body) => Some(body),
                answer => {
                    own = Some(answer);
                    None
                }
            }
        });
        match (shared.await, own) {
            (Ok(Some(body)), _) => Answer::Clean(body),
            (_, Some(answer)) => answer,
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
        let mut request = engine_request(operation).data(progress.clone());
        if let Some(cursor) = resume_after {
            request = request.data(ResumeAfter(cursor));
        }
        let document = Arc::clone(operation.document());
        self.0.schema.execute_stream(request).map(move |response| {
            let response = completed(response, &request_id);
            Event {
                body: match progress.has_begun() {
                    true => answer::write(&response, &document),
                    false => answer::refusal(&response),
                },
                cursor: progress.take_shown(),
            }
        })
    }

    async fn resolve(&self, operation: &Operation) -> Response {
        let request = changes::read_cursor_before(&self.0.feed, engine_request(operation)).await;
        self.0.schema.execute(request).await
    }

    async fn run(&self, operation: &Operation, request_id: &str) -> Answer {
        let mut response = match operation.is_left_to_the_engine() {
            true => completed(self.resolve(operation).await, request_id),
            false => Response::new(Value::Object(IndexMap::new())),
        };
        if let Value::Object(fields) = &mut response.data {
            let answers = operation.introspection.iter().cloned();
            fields.extend(answers.map(|(key, answer)| (key, Value::Binary(answer))));
        }
        if operation.kind == OperationKind::Query && error::nothing_ran(&response) {
            return Answer::Unavailable(answer::errors(&response));
        }
        let body = answer::write(&response, operation.document());
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

fn engine_request(operation: &Operation) -> Request {
    let mut request = Request::new("")
        .variables(operation.variables.clone())
        .data(Plain(Arc::clone(operation.document())));
    request.set_parsed_query(operation.outline().clone());
    request
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
