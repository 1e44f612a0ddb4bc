//! The cost of preparing a document: of a cached one, which is the usual case, and of hostile ones, which are the
//! worst case. `cargo bench -p graphql-guard`; no hostile document may take more than 50 ms.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark of something that fails is none"
)]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use graphql_guard::json::ObjectText;
use graphql_guard::{
    Guard, Limits, Operation, Pages, RequestError, ScalarInput, Settings, measure,
};
use serde_json::{Map, Value, json};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/articles.graphql");

const ORDINARY: &str = "query List($filter: ArticleFilter, $first: Int = 20, $after: String, $text: Boolean!) { \
    articlesConnection(filter: $filter, first: $first, after: $after) { \
    edges { cursor node { ...Article text @include(if: $text) } } pageInfo { hasNextPage endCursor } totalCount } } \
    fragment Article on Article { ... on Node { id } title slug createdAt updatedAt version __typename }";

fn main() {
    divan::main();
}

fn guard(limits: Limits) -> Guard {
    let settings = Settings {
        limits,
        pages: Pages {
            arguments: ["limit", "first", "last", "ids", "inputs"]
                .map(str::to_owned)
                .into(),
            ..Pages::default()
        },
        scalars: [("DateTime".to_owned(), ScalarInput::String)].into(),
        ..Settings::default()
    };
    Guard::new(&std::fs::read_to_string(SCHEMA).unwrap(), settings).unwrap()
}

/// Without a cache, so that each call does all of the work.
fn cold() -> Guard {
    guard(Limits {
        cache_bytes: 0,
        ..Limits::default()
    })
}

fn variables(value: &Value) -> ObjectText {
    ObjectText::from(value.as_object().unwrap())
}

#[divan::bench]
fn cache_hit(bencher: Bencher<'_, '_>) {
    let guard = guard(Limits::default());
    let variables = variables(&json!({ "first": 10, "text": true }));
    assert!(guard.prepare(ORDINARY, None, &variables).is_ok());
    bencher.bench(|| guard.prepare(black_box(ORDINARY), None, black_box(&variables)));
}

#[divan::bench(threads = [2])]
fn cache_hit_of_two_threads(bencher: Bencher<'_, '_>) {
    cache_hit(bencher);
}

#[divan::bench]
fn without_a_cache(bencher: Bencher<'_, '_>) {
    let guard = cold();
    let variables = variables(&json!({ "first": 10, "text": true }));
    bencher.bench(|| guard.prepare(black_box(ORDINARY), None, black_box(&variables)));
}

/// The document is cached, but each call has a new combination of conditions.
#[divan::bench]
fn normalize(bencher: Bencher<'_, '_>) {
    const CONDITIONS: u64 = 32;
    let guard = guard(Limits::default());
    let mut query = "query(".to_owned();
    (0..CONDITIONS).for_each(|number| write!(query, "$c{number}: Boolean! ").unwrap());
    query.push_str(") { articles { ");
    (0..CONDITIONS).for_each(|number| write!(query, "id @skip(if: $c{number}) ").unwrap());
    query.push_str("...F slug title } } fragment F on Article { title text ... on Node { id } }");
    let next = AtomicU64::new(0);
    bencher
        .with_inputs(|| {
            let bits = next.fetch_add(1, Ordering::Relaxed);
            let variables = (0..CONDITIONS)
                .map(|bit| (format!("c{bit}"), json!(bits >> bit & 1 == 1)))
                .collect::<Map<_, _>>();
            ObjectText::from(&variables)
        })
        .bench_refs(|variables| guard.prepare(&query, None, variables));
}

#[divan::bench]
fn scan_a_megabyte(bencher: Bencher<'_, '_>) {
    let source = "{ a(b: [1, \"c\"]) { d } } # e\n".repeat(1024 * 1024 / 29);
    bencher
        .counter(BytesCount::of_str(&source))
        .bench(|| measure(black_box(&source)));
}

/// Hostile documents, each just within the limits.
const HOSTILE: [&str; 19] = [
    "deep literal",
    "deep selections",
    "fragment chain",
    "fragment chain, long",
    "fragment cycle",
    "fragments, many",
    "doubled mutation field",
    "equal fields",
    "equal fields, deep",
    "conflicting fields",
    "conflicting objects",
    "thousand aliases",
    "operations that share fragments",
    "variables, many",
    "unknown fields",
    "arguments, doubled",
    "megabyte of tokens",
    "megabyte in a string",
    "megabyte on one line",
];

#[divan::bench(args = HOSTILE, sample_count = 20, sample_size = 1)]
fn hostile(bencher: Bencher<'_, '_>, name: &str) {
    let guard = cold();
    let query = hostile_document(name);
    bencher.bench(|| prepare(&guard, &query));
}

fn prepare(guard: &Guard, query: &str) -> Result<Operation, Vec<RequestError>> {
    guard.prepare(black_box(query), None, &ObjectText::default())
}

fn hostile_document(name: &str) -> String {
    let chain = |links: usize, spreads: usize| {
        let mut query = "{ ...F0 }".to_owned();
        for number in 0..links {
            let next = format!("...F{} ", number + 1).repeat(spreads);
            write!(query, " fragment F{number} on Query {{ {next}}}").unwrap();
        }
        query + &format!(" fragment F{links} on Query {{ articleChangesCursor }}")
    };
    let each = |count: usize, text: &dyn Fn(usize) -> String| {
        (0..count).map(text).collect::<Vec<_>>().join(" ")
    };
    match name {
        "deep literal" => format!(
            "{{ articles(filter: {}{}) {{ id }} }}",
            "{not: ".repeat(1_500),
            "}".repeat(1_500)
        ),
        "deep selections" => format!(
            "{{ __schema {{ types {} {{ name }} {} }} }}",
            "{ ofType ".repeat(58),
            "}".repeat(58)
        ),
        "fragment chain" => chain(32, 2),
        "fragment chain, long" => chain(2_000, 1),
        "fragment cycle" => chain(2_000, 1).replace("articleChangesCursor", "...F0"),
        "fragments, many" => {
            let spreads = each(1_200, &|number| format!("...F{number}"));
            let fragments = each(1_200, &|number| {
                format!("fragment F{number} on Query {{ articleChangesCursor }}")
            });
            format!("{{ {spreads} }} {fragments}")
        }
        "doubled mutation field" => {
            let fields = each(330, &|_| {
                "createArticle(input: {title: \"a\", text: \"b\"}) { id title }".to_owned()
            });
            format!("mutation {{ {fields} }}")
        }
        "equal fields" => format!("{{ articles {{ {} }} }}", "id ".repeat(4_900)),
        "equal fields, deep" => {
            let (open, close) = ("{ ofType ".repeat(58), "}".repeat(58));
            format!(
                "{{ __schema {{ types {open} {{ {} }} {close} }} }}",
                "name ".repeat(4_900)
            )
        }
        "conflicting fields" => {
            format!(
                "{{ {} }}",
                each(1_200, &|number| format!(
                    "x: articles(limit: {number}) {{ id }}"
                ))
            )
        }
        "conflicting objects" => {
            let fields = each(700, &|number| {
                format!("articles {{ a: id a: title b{number}: id }}")
            });
            format!("{{ {fields} }}")
        }
        "thousand aliases" => {
            format!(
                "{{ {} }}",
                each(1_000, &|number| format!(
                    "a{number}: articles(limit: 100) {{ id title text }}"
                ))
            )
        }
        "operations that share fragments" => {
            let operations = each(900, &|number| format!("query Q{number} {{ ...F }}"));
            format!(
                "{operations} fragment F on Query {{ articles {{ {} }} }}",
                "id ".repeat(8_000)
            )
        }
        "variables, many" => {
            let definitions = each(2_100, &|number| format!("$v{number}: ID!"));
            let uses = each(2_100, &|number| format!("$v{number}"));
            format!("query({definitions}) {{ nodes(ids: [{uses}]) {{ id }} }}")
        }
        "unknown fields" => format!(
            "{{ {} }}",
            each(4_900, &|number| format!("unknown{number}"))
        ),
        "arguments, doubled" => format!("{{ articles({}) {{ id }} }}", "limit: 1 ".repeat(4_900)),
        "megabyte of tokens" => format!("{{ {} }}", "id ".repeat(340_000)),
        "megabyte in a string" => format!(
            "{{ articles(filter: {{search: \"{}\"}}) {{ id }} }}",
            "é\\n".repeat(262_144)
        ),
        "megabyte on one line" => format!(
            "{{ articles {{ {} }} }}",
            format!("id{}é\n", " ".repeat(200))
                .replace('\n', "\r# é\r")
                .repeat(4_900)
        ),
        _ => unreachable!("{name} has no document"),
    }
}
