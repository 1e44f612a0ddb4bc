//! The guard: limits, validation, coercion of variables and normalization, with the schema of articles.

use async_graphql::parser::parse_query;
use graphql_guard::json::ObjectText;
use graphql_guard::{
    Code, Guard, InvalidSchema, Limits, Operation, RequestError, ScalarInput, Settings, measure,
};
use serde_json::value::RawValue;

use crate::target::{Target, ensure, joined, kind, magnitude, parts, text};

const SCHEMA: &str = include_str!("../../../schema.graphql");

/// Documents and their variables.
pub(super) const DOCUMENTS: [(&str, &str); 8] = [
    ("{ article(id: \"a\") { id title } }", "{}"),
    (
        "query A($w: ArticleFilter, $n: Int = 2) { articles(where: $w, limit: $n) { ...F } } \
         fragment F on Article { id t: title @include(if: true) ...G } fragment G on Article { id slug }",
        r#"{"w":{"or":[{"title":{"contains":"é"}},{"not":{"id":{"in":["1","2"]}}}]}}"#,
    ),
    (
        "query($first: Int!, $after: String, $s: Boolean!) { articlesConnection(first: $first, after: $after) { \
         totalCount @skip(if: $s) edges { cursor node { id ... on Article @include(if: $s) { text } } } pageInfo { endCursor } } }",
        r#"{"first":2,"after":null,"s":false}"#,
    ),
    (
        "mutation M($i: CreateArticleInput!) { createArticle(input: $i) { id version } }",
        r#"{"i":{"title":"a","text":"b"}}"#,
    ),
    (
        "subscription { articleChanged(kinds: [CREATED]) { kind cursor article { id } } }",
        "{}",
    ),
    (
        "{ __schema { types { name fields { name } } } __typename }",
        "{}",
    ),
    (
        "query A { a: node(id: \"a\") { id } } query B { nodes(ids: [\"a\", 1]) { __typename } }",
        "{}",
    ),
    (
        "{ articles { id, ...F } } fragment F on Article { ...F }",
        "{}",
    ),
];

pub(crate) struct Normalizer {
    guard: Guard,
    limits: Limits,
}

impl Normalizer {
    pub(crate) fn new() -> Result<Self, InvalidSchema> {
        // Small enough that inputs reach them.
        let limits = Limits {
            document_tokens: 600,
            nesting: 24,
            selections: 200,
            depth: 8,
            aliases: 8,
            root_fields: 8,
            directives: 4,
            complexity: 5_000,
            cache_bytes: 1 << 20,
            ..Limits::default()
        };
        let settings = Settings {
            limits: limits.clone(),
            scalars: [("DateTime".to_owned(), ScalarInput::String)].into(),
            ..Settings::default()
        };
        let guard = Guard::new(SCHEMA, settings)?;
        Ok(Self { guard, limits })
    }

    fn check_operation(&self, operation: &Operation, variables: &ObjectText) -> Result<(), String> {
        let complexity = operation.complexity;
        ensure(complexity <= self.limits.complexity, || {
            format!("a complexity of {complexity} is let through")
        })?;
        let text = operation.text();
        // Where conditions leave no field, the text contains `{}`, and is not a valid document.
        if text.ends_with("{}") {
            return Ok(());
        }
        parse_query(text).map_err(|error| format!("{text} does not parse: {error}"))?;
        match self.guard.prepare(text, None, variables) {
            Ok(again) => {
                ensure(again.text() == text, || {
                    format!(
                        "{text} becomes {} when it is normalized again",
                        again.text()
                    )
                })?;
                ensure(again.variables == operation.variables, || {
                    let variables = &operation.variables;
                    format!("the variables {variables:?} become {:?}", again.variables)
                })
            }
            Err(errors) => ensure(errors.iter().all(is_expected), || {
                format!("{text} is rejected: {}", messages(&errors))
            }),
        }
    }
}

/// Whether this error is allowed when a normalized operation is prepared as a document: inlined fragments have more
/// tokens, and decided conditions leave variables unused and fields without a selection.
fn is_expected(error: &RequestError) -> bool {
    error.code == Code::TooComplex
        || error.message.starts_with("unused variable")
        || error.message.contains("must have a subselection set")
}

fn messages(errors: &[RequestError]) -> String {
    let messages: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
    messages.join(" | ")
}

/// The variables of a request, or none where they are no object.
fn variables(text: &[u8]) -> ObjectText {
    let read = serde_json::from_slice::<&RawValue>(text).ok();
    read.and_then(ObjectText::new).unwrap_or_default()
}

impl Target for Normalizer {
    fn name(&self) -> &'static str {
        "normalizer"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let seeds = DOCUMENTS.map(|(document, variables)| joined(document, variables));
        seeds.into()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &[
            "...F",
            "fragment F on Article { id }",
            "@skip(if: $s)",
            "@include(if: false)",
            "{ id }",
            "title",
            "a: title",
            "articles",
            "$first",
            "$w",
            "null",
            "(limit: 5)",
            "... on Article { slug }",
            "__typename",
            "query",
            "mutation",
            "\"\"\"b\"\"\"",
            "[1, \"2\"]",
            "{id: {eq: \"1\"}}",
            "(where: {})",
            "Boolean!",
            "= 5",
            "article(slug: \"a\")",
        ]
    }

    fn check(&self, input: &[u8]) -> Result<u64, String> {
        let (document, json) = parts(input);
        let (document, variables) = (text(document), variables(json));
        match self.guard.prepare(&document, None, &variables) {
            Ok(operation) => {
                let measured = measure(&document);
                let fits = measured.tokens <= self.limits.document_tokens
                    && measured.nesting <= self.limits.nesting;
                ensure(fits, || format!("{measured:?} is let through"))?;
                self.check_operation(&operation, &variables)?;
                let size = magnitude(operation.text().len());
                Ok(kind((
                    operation.kind as u8,
                    size,
                    operation.variables.len(),
                    operation.root_fields(),
                )))
            }
            Err(errors) => {
                ensure((1..=10).contains(&errors.len()), || {
                    format!("{} errors", errors.len())
                })?;
                let all = messages(&errors);
                ensure(all.len() <= 10 * 4_096, || {
                    format!("messages of {} bytes", all.len())
                })?;
                // Only the words of a message, without the parts that it repeats of the document.
                let begin: String = all
                    .chars()
                    .take_while(|c| !"`\"0123456789".contains(*c))
                    .collect();
                Ok(kind((
                    errors.len(),
                    errors.first().map(|error| error.code),
                    begin,
                )))
            }
        }
    }
}
