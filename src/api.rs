//! The GraphQL API: the schema, and how an operation becomes an answer.
//!
//! Resolvers (`query.rs`, `mutation.rs`, `subscription.rs`) take the [`Store`] or the [`Feed`] from the context, turn
//! arguments into values of the domain (`input.rs`), and show what comes back (`output.rs`). They return
//! [`crate::error::Error`]; `error.rs` turns it into a GraphQL error, in one place.

mod changes;
mod error;
pub mod filter;
mod input;
mod mutation;
mod order;
mod output;
mod query;
mod scalar;
mod subscription;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, Response, SDLExportOptions, Value};
use futures_util::{Stream, StreamExt as _};

use self::changes::ShownCursor;
use self::mutation::Mutation;
use self::order::FieldOrder;
use self::query::Query;
use self::subscription::Subscription;
use crate::article::change::FeedCursor;
use crate::feed::Feed;
use crate::store::Store;

/// The schema with its resolvers.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema without any data, which is all that an export needs.
pub fn schema() -> Schema {
    Schema::build(Query, Mutation, Subscription).finish()
}

/// The schema definition language of [`schema`], as `schema.graphql` has it.
pub fn sdl() -> String {
    schema().sdl_with_options(SDLExportOptions::new().use_space_ident().indent_width(2))
}

/// Answers GraphQL operations. Clones share everything.
#[derive(Clone)]
pub struct Api {
    schema: Schema,
    feed: Feed,
}

/// One answer of a subscription.
#[derive(Debug)]
pub struct Event {
    pub response: Response,
    /// Where the change that it shows stands in the feed, for a transport that can resume there; `None` where the answer
    /// shows none, such as an error.
    pub cursor: Option<FeedCursor>,
}

impl Api {
    /// An API over the articles of `store` and their changes, which `feed` reads.
    pub fn new(store: Store, feed: Feed) -> Self {
        let schema = Schema::build(Query, Mutation, Subscription)
            .data(store)
            .data(feed.clone())
            .finish();
        Self { schema, feed }
    }

    /// Carries out a query or a mutation. `request_id` stands in the errors that are our fault.
    pub async fn execute(&self, request: Request, request_id: &str) -> Response {
        let mut request = changes::read_cursor_before(&self.feed, request).await;
        let asked = Asked::by(&mut request);
        let response = self.schema.execute(request).await;
        asked.complete(response, request_id)
    }

    /// Carries out an operation of any kind: a subscription gives an answer for each change, the others give one. The
    /// stream of a subscription has no end but an error. `request_id` stands in the errors that are our fault.
    pub fn subscribe(
        &self,
        request: Request,
        request_id: String,
    ) -> impl Stream<Item = Event> + Send + use<> {
        let api = self.clone();
        let shown = ShownCursor::default();
        let mut request = request.data(shown.clone());
        let asked = Asked::by(&mut request);
        futures_util::stream::once(async move {
            let request = changes::read_cursor_before(&api.feed, request).await;
            api.schema.execute_stream(request)
        })
        .flatten()
        .map(move |response| Event {
            response: asked.complete(response, &request_id),
            cursor: shown.take(),
        })
    }
}

/// What was asked, which an answer is completed by.
struct Asked {
    document: Option<ExecutableDocument>,
    operation_name: Option<String>,
}

impl Asked {
    fn by(request: &mut Request) -> Self {
        Self {
            operation_name: request.operation_name.clone(),
            // One that cannot be parsed has no data to be arranged.
            document: request.parsed_query().ok().cloned(),
        }
    }

    /// Puts the fields in the order of the document, and gives the errors what the contract has beside them.
    fn complete(&self, mut response: Response, request_id: &str) -> Response {
        // Where there is data the document was valid, so that no fragment contains itself.
        if let (Some(document), Value::Object(_)) = (&self.document, &response.data) {
            FieldOrder::of(document, self.operation_name.as_deref()).arrange(&mut response.data);
        }
        for error in &mut response.errors {
            error::complete(error, request_id);
        }
        response
    }
}

/// The store that the resolvers work on.
fn store<'c>(ctx: &'c async_graphql::Context<'_>) -> crate::error::Result<&'c Store> {
    ctx.data::<Store>()
        .map_err(|error| crate::error::Error::internal(error.message))
}
