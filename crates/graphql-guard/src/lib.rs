//! Everything that happens to a GraphQL document before the engine executes it.
//!
//! The engine's parser can be made to overflow its stack, its validator passes documents that it then answers wrongly,
//! and it executes a field as often as a document names it. So a document is measured, parsed, validated and brought
//! into its plain form here, and the engine gets that with [`Request::set_parsed_query`] and validates no more
//! (`ValidationMode::Fast`). Nothing here knows of articles, of HTTP or of resolvers.
//!
//! [`Request::set_parsed_query`]: async_graphql::Request::set_parsed_query

mod cache;
mod coerce_variables;
mod complexity;
mod fragments;
mod introspection;
pub mod json;
mod lexer;
mod limits;
mod normalize;
mod operation;
mod positions;
mod print;
mod request_error;
mod schema;
pub mod shorten;
mod strip_descriptions;
mod to_engine;
mod validate;
mod value_rules;
mod variable_shape;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Node, executable};
use async_graphql::parser::types;
use async_graphql::{Name, Variables};

pub use async_graphql::parser::types::OperationType as OperationKind;
pub use lexer::{Measure, measure};
pub use limits::{Limits, ValueLimits};
pub use operation::{Operation, OperationKey};
pub use request_error::{Code, Exceeded, Location, Refusal};
pub use schema::InvalidSchema;

use crate::json::ObjectText;
use cache::FormKey;
use limits::value_bytes;
use operation::{Text, pick, root};
use positions::Lines;
use schema::Schema;
use to_engine::Converted;
use variable_shape::Shape;

/// So many reasons are given at most for refusing one document: the first ones help, the others are work.
const MAX_REFUSALS: usize = 10;

/// Prepares documents for one schema. Meant to be shared by all threads.
pub struct Documents {
    schema: Schema,
    limits: Limits,
    leaves: &'static [&'static str],
    hashes: RandomState,
    cache: cache::Documents,
    next_id: AtomicU64,
}

/// A valid document and what is found out about it once.
struct Parsed {
    id: u64,
    document: Valid<ExecutableDocument>,
    /// The variables that `@skip` and `@include` use, for each operation.
    conditions: Vec<HashSet<String>>,
    /// Estimated size in memory, its text included once.
    bytes: u64,
}

/// The plain form of an operation for one shape of variables.
#[derive(Debug)]
struct Form {
    document: Arc<types::ExecutableDocument>,
    outline: types::ExecutableDocument,
    text: Text,
    /// The documents' own.
    hashes: RandomState,
    complexity: complexity::Complexity,
    /// Whether the root has an introspection field.
    introspects: bool,
    /// The variables that stand at more than one place, and at how many more.
    repeated: Vec<(Name, u64)>,
    /// Estimated size in memory.
    bytes: u64,
}

impl Form {
    fn root(&self) -> &types::SelectionSet {
        root(&self.document)
    }

    /// What the engine's copies of variables take that stand at more than one place.
    fn repeated_bytes(&self, variables: &Variables) -> u64 {
        let copies = self.repeated.iter().filter_map(|(name, times)| {
            let value = variables.get(name)?;
            Some(value_bytes(value).saturating_mul(*times))
        });
        copies.fold(0, u64::saturating_add)
    }
}

impl Documents {
    /// Prepares documents for the schema that `sdl` describes.
    pub fn new(sdl: &str, mut limits: Limits) -> Result<Self, InvalidSchema> {
        limits.nesting = limits.nesting.min(limits::DEEPEST);
        let cache = cache::Documents::new(limits.cache_bytes);
        Ok(Self {
            schema: Schema::new(sdl)?,
            limits,
            leaves: &[],
            hashes: RandomState::new(),
            cache,
            next_id: AtomicU64::new(0),
        })
    }

    /// Names object types whose fields the engine need not see, because resolvers write the whole object themselves.
    #[must_use]
    pub fn with_leaves(mut self, types: &'static [&'static str]) -> Self {
        self.leaves = types;
        self
    }

    /// The limits that documents are held to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Makes one operation of a document ready to be executed with these variables.
    ///
    /// An empty operation name is as if there were none. Errors are what the contract calls request errors: nothing of
    /// the document has been executed.
    pub fn prepare(
        &self,
        query: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
    ) -> Result<Operation, Vec<Refusal>> {
        let parsed = self.parsed(query)?;
        let (index, operation) =
            pick(&parsed.document, operation_name).map_err(|refusal| vec![refusal])?;
        let limits = &self.limits.values;
        let variables =
            coerce_variables::coerce(&self.schema, limits, &operation.variables, variables)
                .map_err(|refusals| located(refusals, query))?;
        let form = self.form(query, &parsed, index, operation, &variables)?;
        let repeated = form.repeated_bytes(&variables);
        Refusal::over(
            "variables",
            "repeated use of variables, in bytes,",
            limits.bytes,
            repeated,
        )
        .map_err(|refusal| vec![refusal])?;
        let complexity = form.complexity.of(&variables);
        Refusal::over(
            "complexity",
            "complexity",
            self.limits.complexity,
            complexity,
        )
        .map_err(|refusal| vec![refusal])?;
        let introspection = match form.introspects {
            true => introspection::answers(&self.schema, form.root(), &variables)
                .map_err(|refusal| vec![refusal])?,
            false => Vec::new(),
        };
        Ok(Operation {
            kind: kind(operation.operation_type),
            name: operation.name.as_ref().map(ToString::to_string),
            variables,
            complexity,
            introspection,
            form,
            key: OnceLock::new(),
        })
    }

    fn parsed(&self, query: &str) -> Result<Arc<Parsed>, Vec<Refusal>> {
        if let Some(parsed) = self.cache.parsed(query) {
            return Ok(parsed);
        }
        let measure = lexer::measure(query);
        let (tokens, nesting) = (
            self.limits.document_tokens as u64,
            self.limits.nesting as u64,
        );
        Refusal::over("tokens", "number of tokens", tokens, measure.tokens as u64)
            .and_then(|()| Refusal::over("nesting", "nesting", nesting, measure.nesting as u64))
            .map_err(|refusal| vec![refusal])?;
        let lines = Lines::new(query);
        let ast = validate::parse(query, &lines)?;
        fragments::check(&ast, &self.limits, &lines)?;
        let document = validate::validate(&self.schema, &ast, &lines)?;
        let parsed = Arc::new(Parsed {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            conditions: document
                .operations
                .iter()
                .map(|operation| variable_shape::conditions(&document, operation))
                .collect(),
            bytes: parsed_bytes(query, measure.tokens),
            document,
        });
        self.cache.keep_parsed(query, Arc::clone(&parsed));
        Ok(parsed)
    }

    fn form(
        &self,
        query: &str,
        parsed: &Parsed,
        index: usize,
        operation: &Node<executable::Operation>,
        variables: &Variables,
    ) -> Result<Arc<Form>, Vec<Refusal>> {
        let none = HashSet::new();
        let conditions = parsed.conditions.get(index).unwrap_or(&none);
        let given = variable_shape::given(&operation.variables, variables, conditions);
        let key = FormKey {
            document: parsed.id,
            operation: index,
            given,
        };
        if let Some(form) = self.cache.form(&key) {
            return Ok(form);
        }
        let shape = Shape::new(&operation.variables, &key.given);
        shape.check(conditions)?;
        let selections = normalize::selections(&self.schema, &parsed.document, operation, &shape);
        let complexity =
            complexity::measure(&selections, &self.limits).map_err(|refusal| vec![refusal])?;
        let lines = Lines::new(query);
        let convert = |leaves| {
            to_engine::document(&self.schema, operation, &selections, &shape, &lines, leaves)
        };
        let Converted { document, repeated } = convert(None)?;
        let text = print::document(&document);
        let form = Form {
            bytes: form_bytes(&text),
            introspects: selections
                .iter()
                .any(normalize::Selection::is_introspection),
            document: Arc::new(document),
            outline: convert(Some(self.leaves))?.document,
            text: Text::new(text, &self.hashes),
            hashes: self.hashes.clone(),
            complexity,
            repeated,
        };
        let form = Arc::new(form);
        self.cache.keep_form(key, Arc::clone(&form));
        Ok(form)
    }
}

/// Each reason with the place where the document declares the variable.
fn located(refusals: coerce_variables::Refusals, query: &str) -> Vec<Refusal> {
    let lines = Lines::new(query);
    let located = refusals.into_iter();
    located
        .map(|(variable, refusal)| refusal.at(lines.of(variable)))
        .collect()
}

fn kind(kind: executable::OperationType) -> OperationKind {
    match kind {
        executable::OperationType::Query => OperationKind::Query,
        executable::OperationType::Mutation => OperationKind::Mutation,
        executable::OperationType::Subscription => OperationKind::Subscription,
    }
}

/// What a token takes in the syntax tree, in bytes: 101 were measured for a list of 80 aliased fields, rounded up.
const BYTES_PER_TOKEN: u64 = 120;

fn parsed_bytes(query: &str, tokens: usize) -> u64 {
    query.len() as u64 + tokens as u64 * BYTES_PER_TOKEN
}

/// What a byte of the plain form's text takes in its two trees, in bytes: 31 were measured for one of the same list.
const BYTES_PER_CHARACTER: u64 = 64;

fn form_bytes(text: &str) -> u64 {
    text.len() as u64 * BYTES_PER_CHARACTER
}
