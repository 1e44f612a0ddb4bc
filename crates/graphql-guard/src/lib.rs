//! Limits, validates and normalizes a GraphQL document before async-graphql executes it.
//!
//! async-graphql's parser can be made to overflow its stack, its validator accepts documents that it then executes
//! wrongly, and it executes a repeated field repeatedly. A [`Guard`] measures a document before parsing it, parses and
//! validates it by the September 2025 edition of the specification, coerces the variables, enforces [`Limits`], and
//! passes the engine a *normalized* operation: conditions evaluated, fragments expanded, equal fields merged, as the
//! specification does during execution. It works for any schema and any async-graphql server, because its result is a
//! [`Request`]:
//!
//! ```
//! use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Response, Schema, ValidationMode, value};
//! use graphql_guard::{Guard, Limits, Settings};
//!
//! struct Query;
//!
//! #[Object]
//! impl Query {
//!     /// The first prime numbers.
//!     async fn primes(&self, #[graphql(default = 5)] first: usize) -> Vec<u32> {
//!         [2, 3, 5, 7, 11].into_iter().take(first).collect()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), graphql_guard::InvalidSchema> {
//! let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
//!     // The guard has validated the document.
//!     .validation_mode(ValidationMode::Fast)
//!     .finish();
//! let limits = Limits { aliases: 1, ..Limits::default() };
//! let guard = Guard::new(&schema.sdl(), Settings { limits, ..Settings::default() })?;
//!
//! let execute = async |document: &str| match guard.request(Request::new(document)) {
//!     Ok(request) => schema.execute(request).await,
//!     Err(errors) => Response::from_errors(errors.into_iter().map(Into::into).collect()),
//! };
//!
//! let response = execute("{ primes(first: 3) ...Again } fragment Again on Query { primes(first: 3) }").await;
//! assert_eq!(response.data, value!({ "primes": [2, 3, 5] }));
//!
//! let response = execute("{ a: primes b: primes }").await;
//! let message = "The document is too complex: its number of aliases is 2, and 1 is allowed.";
//! assert_eq!(response.errors[0].message, message);
//! # Ok(())
//! # }
//! ```
//!
//! A server that reads the variables itself passes their text to [`Guard::prepare`], so that only declared variables
//! are built. The returned [`Operation`] also has a key that is the same for equal requests, and the results of
//! `__schema` and `__type`, which the engine need not execute.
//!
//! [`Request`]: async_graphql::Request

mod cache;
mod coerce_variables;
mod complexity;
mod diagnostics;
mod fragments;
mod guard;
mod introspection;
pub mod json;
mod lexer;
mod limits;
mod normalize;
mod operation;
mod overlapping_fields;
mod parse;
mod positions;
mod prepared;
mod print;
mod request_error;
mod schema;
mod settings;
mod strip_descriptions;
mod timings;
mod to_engine;
pub mod truncate;
mod validate;
mod value_rules;
mod variable_shape;

#[cfg(test)]
mod tests;

pub use async_graphql::parser::types::OperationType as OperationKind;
pub use guard::Guard;
pub use lexer::{Measure, measure};
pub use limits::{Limits, ValueLimits};
pub use operation::{Operation, OperationKey};
pub use request_error::{Code, Exceeded, Location, RequestError};
pub use schema::InvalidSchema;
pub use settings::{Pages, ScalarInput, Settings};
pub use timings::Timings;

/// The maximum number of errors in the response to one request: the first ones help, and more would only cost time.
const MAX_ERRORS: usize = 10;
