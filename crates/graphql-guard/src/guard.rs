//! Prepares a document and its variables for execution.

use std::collections::HashSet;
use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use apollo_compiler::{Node, ast, executable};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, Variables};
use sha2::{Digest as _, Sha256};

use super::cache::{Cache, NormalizedKey};
use super::json::ObjectText;
use super::operation::{Text, select_operation};
use super::positions::Lines;
use super::prepared::{NormalizedOperation, ParsedDocument, normalized_bytes, parsed_bytes};
use super::schema::{InvalidSchema, Schema};
use super::settings::{Pages, Settings};
use super::timings::Timings;
use super::to_engine::{self, Converted};
use super::variable_shape::{self, Shape};
use super::{
    Limits, Operation, OperationKind, RequestError, coerce_variables, complexity, fragments,
    introspection, lexer, limits, normalize, parse, print, validate,
};

/// Prepares operations for one schema. Can be shared by all threads.
pub struct Guard {
    schema: Schema,
    limits: Limits,
    pages: Pages,
    prewritten: Vec<String>,
    hashes: RandomState,
    pub(super) cache: Cache,
    next_id: AtomicU64,
}

impl Guard {
    /// Validates documents against the schema in `sdl`.
    pub fn new(sdl: &str, settings: Settings) -> Result<Self, InvalidSchema> {
        let mut limits = settings.limits;
        limits.nesting = limits.nesting.min(limits::MAX_NESTING);
        Ok(Self {
            schema: Schema::new(sdl, &settings.scalars)?,
            pages: settings.pages,
            prewritten: settings.prewritten,
            hashes: RandomState::new(),
            cache: Cache::new(limits.cache_bytes),
            next_id: AtomicU64::new(0),
            limits,
        })
    }

    /// The same request with a normalized document and coerced variables for the engine. Build the schema with
    /// [`ValidationMode::Fast`](async_graphql::ValidationMode::Fast): the document has been validated.
    ///
    /// # Errors
    /// Why it must not be executed; at least one error. Each is a [`ServerError`](async_graphql::ServerError) by
    /// `From`.
    pub fn request(&self, request: Request) -> Result<Request, Vec<RequestError>> {
        let operation = self.prepare(
            &request.query,
            request.operation_name.as_deref(),
            &ObjectText::from(&request.variables),
        )?;
        let document = ExecutableDocument::clone(operation.document());
        let mut request = request.variables(operation.variables);
        request.set_parsed_query(document);
        Ok(request)
    }

    /// Prepares one operation of a document for execution with these variables.
    ///
    /// An empty operation name is the same as none.
    ///
    /// # Errors
    /// The request errors of the specification (section 7.1.2): nothing of the document has been executed.
    pub fn prepare(
        &self,
        query: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
    ) -> Result<Operation, Vec<RequestError>> {
        self.prepare_timed(query, operation_name, variables, &mut Timings::default())
    }

    /// Like [`prepare`](Self::prepare), and returns how long its parts took, even if it fails.
    ///
    /// # Errors
    /// The same.
    pub fn prepare_timed(
        &self,
        query: &str,
        operation_name: Option<&str>,
        variables: &ObjectText,
        timings: &mut Timings,
    ) -> Result<Operation, Vec<RequestError>> {
        let parsed = self.parsed(query, timings)?;
        let (index, operation) =
            select_operation(&parsed.document, operation_name).map_err(|error| vec![error])?;
        let limits = &self.limits.values;
        let variables =
            coerce_variables::coerce(&self.schema, limits, &operation.variables, variables)
                .map_err(|errors| located(errors, query))?;
        let normalized = self.normalized(query, &parsed, index, operation, &variables)?;
        let repeated = normalized.repeated_bytes(&variables);
        RequestError::check_limit(
            "variables",
            "repeated use of variables, in bytes,",
            limits.bytes,
            repeated,
        )
        .map_err(|error| vec![error])?;
        let complexity = normalized.complexity.of(&variables, &self.pages);
        RequestError::check_limit(
            "complexity",
            "complexity",
            self.limits.complexity,
            complexity,
        )
        .map_err(|error| vec![error])?;
        let introspection = match normalized.introspects {
            true => introspection::responses(&self.schema, normalized.root(), &variables)
                .map_err(|error| vec![error])?,
            false => Vec::new(),
        };
        Ok(Operation {
            kind: kind(operation.operation_type),
            name: operation.name.as_ref().map(ToString::to_string),
            variables,
            complexity,
            introspection,
            document_sha256: parsed.sha256,
            normalized,
            key: OnceLock::new(),
        })
    }

    fn parsed(
        &self,
        query: &str,
        timings: &mut Timings,
    ) -> Result<Arc<ParsedDocument>, Vec<RequestError>> {
        if let Some(parsed) = self.cache.parsed(query) {
            return Ok(parsed);
        }
        let began = Instant::now();
        let parsed = self.parse(query);
        let ended_parsing = Instant::now();
        timings.parse = Some(ended_parsing - began);
        let (ast, lines, tokens) = parsed?;
        let document = fragments::check(&ast, &self.limits, &lines)
            .and_then(|()| validate::validate(&self.schema, &ast, &lines));
        timings.validate = Some(ended_parsing.elapsed());
        let document = document?;
        let parsed = Arc::new(ParsedDocument {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            sha256: Sha256::digest(query).into(),
            conditions: document
                .operations
                .iter()
                .map(|operation| variable_shape::conditions(&document, operation))
                .collect(),
            bytes: parsed_bytes(query, tokens),
            document,
        });
        self.cache.keep_parsed(query, Arc::clone(&parsed));
        Ok(parsed)
    }

    /// The syntax tree of a document within the limits, its lines, and the number of its tokens.
    fn parse<'q>(
        &self,
        query: &'q str,
    ) -> Result<(ast::Document, Lines<'q>, usize), Vec<RequestError>> {
        let measure = lexer::measure(query);
        let (tokens, nesting) = (
            self.limits.document_tokens as u64,
            self.limits.nesting as u64,
        );
        RequestError::check_limit("tokens", "number of tokens", tokens, measure.tokens as u64)
            .and_then(|()| {
                RequestError::check_limit("nesting", "nesting", nesting, measure.nesting as u64)
            })
            .map_err(|error| vec![error])?;
        let lines = Lines::new(query);
        if let Some(offset) = measure.broken {
            return Err(vec![parse::broken_token(query, offset, &lines)]);
        }
        let ast = parse::parse(query, &lines)?;
        Ok((ast, lines, measure.tokens))
    }

    fn normalized(
        &self,
        query: &str,
        parsed: &ParsedDocument,
        index: usize,
        operation: &Node<executable::Operation>,
        variables: &Variables,
    ) -> Result<Arc<NormalizedOperation>, Vec<RequestError>> {
        let none = HashSet::new();
        let conditions = parsed.conditions.get(index).unwrap_or(&none);
        let given = variable_shape::given(&operation.variables, variables, conditions);
        let key = NormalizedKey {
            document: parsed.id,
            operation: index,
            given,
        };
        if let Some(normalized) = self.cache.normalized(&key) {
            return Ok(normalized);
        }
        let shape = Shape::new(&operation.variables, &key.given);
        shape.check(conditions)?;
        let selections = normalize::selections(&self.schema, &parsed.document, operation, &shape);
        let complexity = complexity::measure(&selections, &self.limits, &self.pages)
            .map_err(|error| vec![error])?;
        let lines = Lines::new(query);
        let convert = |prewritten| {
            to_engine::document(
                &self.schema,
                operation,
                &selections,
                &shape,
                &lines,
                prewritten,
            )
        };
        let Converted { document, repeated } = convert(None)?;
        let text = print::document(&document);
        let normalized = NormalizedOperation {
            bytes: normalized_bytes(&text),
            introspects: selections
                .iter()
                .any(normalize::Selection::is_introspection),
            document: Arc::new(document),
            outline: convert(Some(&self.prewritten))?.document,
            text: Text::new(text, &self.hashes),
            hashes: self.hashes.clone(),
            complexity,
            repeated,
        };
        let normalized = Arc::new(normalized);
        self.cache.keep_normalized(key, Arc::clone(&normalized));
        Ok(normalized)
    }
}

/// Each error with the position where the document declares the variable.
fn located(errors: coerce_variables::VariableErrors, query: &str) -> Vec<RequestError> {
    let lines = Lines::new(query);
    let located = errors.into_iter();
    located
        .map(|(variable, error)| error.at(lines.of(variable)))
        .collect()
}

fn kind(kind: executable::OperationType) -> OperationKind {
    match kind {
        executable::OperationType::Query => OperationKind::Query,
        executable::OperationType::Mutation => OperationKind::Mutation,
        executable::OperationType::Subscription => OperationKind::Subscription,
    }
}
