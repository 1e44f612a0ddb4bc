//! The GraphQL API: the schema, and how an operation becomes an answer.
//!
//! Resolvers (`query.rs`, `mutation.rs`) take the [`Store`] from the context, turn arguments into values of the
//! domain (`input.rs`), and show what comes back (`output.rs`). They return [`crate::error::Error`];
//! `error.rs` turns it into a GraphQL error, in one place.

mod error;
pub mod filter;
mod input;
mod mutation;
mod order;
mod output;
mod query;
mod scalar;

use async_graphql::{EmptySubscription, Request, Response, SDLExportOptions, Value};

use self::mutation::Mutation;
use self::order::FieldOrder;
use self::query::Query;
use crate::store::Store;

/// The schema with its resolvers.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// The schema without any data, which is all that an export needs.
pub fn schema() -> Schema {
    Schema::build(Query, Mutation, EmptySubscription).finish()
}

/// The schema definition language of [`schema`], as `schema.graphql` has it.
pub fn sdl() -> String {
    schema().sdl_with_options(SDLExportOptions::new().use_space_ident().indent_width(2))
}

/// Answers GraphQL operations. Clones share everything.
#[derive(Clone)]
pub struct Api {
    schema: Schema,
}

impl Api {
    /// An API over the articles of `store`.
    pub fn new(store: Store) -> Self {
        let schema = Schema::build(Query, Mutation, EmptySubscription)
            .data(store)
            .finish();
        Self { schema }
    }

    /// Carries out a query or a mutation. `request_id` stands in the errors that are our fault.
    pub async fn execute(&self, mut request: Request, request_id: &str) -> Response {
        let name = request.operation_name.clone();
        let document = request.parsed_query().cloned();
        let mut response = self.schema.execute(request).await;
        // Where there is data the document was valid, so that no fragment contains itself.
        if let (Ok(document), Value::Object(_)) = (document, &response.data) {
            FieldOrder::of(&document, name.as_deref()).arrange(&mut response.data);
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
