//! The steps of a sequence: a document of one query, or of one or two mutations, with random variables.
//!
//! Variables may hold references that are resolved when their step is reached: `#3` is the id of an article that is
//! or was there, `@3` a cursor of a page that was seen, and `=0` the current version of the article that the
//! mutation names.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// One document.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// How far the clock moves before it.
    pub(super) micros: i64,
    pub(super) calls: Vec<Call>,
    /// A bit for each field that is selected.
    pub(super) selected: u32,
}

/// A field of the root, and its arguments.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) field: &'static str,
    pub(super) arguments: Value,
}

pub(super) const FIELDS: [&str; 7] = [
    "id",
    "title",
    "slug",
    "text",
    "createdAt",
    "updatedAt",
    "version",
];
/// What can be selected of a connection, but for the articles; the bits stand after those of [`FIELDS`].
pub(super) const CONNECTION_FIELDS: [&str; 7] = [
    "edges",
    "nodes",
    "totalCount",
    "hasNextPage",
    "hasPreviousPage",
    "startCursor",
    "endCursor",
];

impl Step {
    /// The document; the arguments of the call at `index` are the variables that end with it.
    pub(super) fn document(&self) -> String {
        let (mut declared, mut selected) = (Vec::new(), Vec::new());
        for (index, Call { field, arguments }) in self.calls.iter().enumerate() {
            let mut given = Vec::new();
            for name in arguments.as_object().unwrap().keys() {
                declared.push(format!("${name}{index}: {}", argument_type(field, name)));
                given.push(format!("{name}: ${name}{index}"));
            }
            let given = given.join(", ");
            selected.push(format!("a{index}: {field}({given}) {}", self.fields(field)));
        }
        let kind = if self.is_mutation() {
            "mutation"
        } else {
            "query"
        };
        format!(
            "{kind}({}) {{ {} }}",
            declared.join(", "),
            selected.join(" ")
        )
    }

    pub(super) fn is_mutation(&self) -> bool {
        let field = self.calls[0].field;
        ["create", "update", "delete"]
            .iter()
            .any(|verb| field.starts_with(verb))
    }

    /// Whether a field is selected; `fields` is the list that it is of.
    pub(super) fn selects(&self, field: &str) -> bool {
        let all = FIELDS.iter().chain(&CONNECTION_FIELDS);
        all.zip(0..)
            .any(|(name, bit)| *name == field && self.selected >> bit & 1 == 1)
            // Something must be.
            || field == "id"
            || field == "totalCount" && self.selected >> 7 == 0
    }

    fn fields(&self, field: &str) -> String {
        let chosen = |names: &[&str]| {
            let names: Vec<&str> = names
                .iter()
                .copied()
                .filter(|name| self.selects(name))
                .collect();
            names.join(" ")
        };
        let article = format!("{{ {} }}", chosen(&FIELDS));
        match field {
            "node" | "nodes" => format!("{{ ... on Article {article} }}"),
            "articlesConnection" => {
                let mut parts = vec![chosen(&["totalCount"])];
                if self.selects("edges") {
                    parts.push(format!("edges {{ cursor node {article} }}"));
                }
                if self.selects("nodes") {
                    parts.push(format!("nodes {article}"));
                }
                let page_info = chosen(&CONNECTION_FIELDS[3..]);
                if !page_info.is_empty() {
                    parts.push(format!("pageInfo {{ {page_info} }}"));
                }
                format!("{{ {} }}", parts.join(" "))
            }
            _ => article,
        }
    }

    /// The answer with everything that `RELEVANCE` has ordered brought into one order.
    pub(super) fn without_order(&self, mut answer: Value) -> Value {
        let sort = |list: &mut Value| {
            if let Value::Array(items) = list {
                items.sort_by_key(Value::to_string);
            }
        };
        let relevance = self.calls[0].arguments["orderBy"] == "RELEVANCE";
        if let Some(call) = answer.pointer_mut("/data/a0").filter(|_| relevance) {
            sort(call);
            if let Some(nodes) = call.get_mut("nodes") {
                sort(nodes);
            }
            // The cursors are positions, and keep their order.
            if let Some(Value::Array(edges)) = call.get_mut("edges") {
                let mut nodes: Value = edges.iter_mut().map(|edge| edge["node"].take()).collect();
                sort(&mut nodes);
                for (edge, node) in edges.iter_mut().zip(nodes.as_array().unwrap()) {
                    edge["node"] = node.clone();
                }
            }
        }
        answer
    }
}

fn argument_type(field: &str, name: &str) -> &'static str {
    match (field, name) {
        ("createArticle", "input") => "CreateArticleInput!",
        ("updateArticle", "input") => "UpdateArticleInput!",
        (_, "inputs") => "[CreateArticleInput!]!",
        (_, "by") => "ArticleBy!",
        (_, "id") => "ID!",
        (_, "ids") => "[ID!]!",
        (_, "expectedVersion" | "first" | "last") => "Int",
        (_, "limit" | "offset") => "Int!",
        (_, "after" | "before") => "String",
        (_, "filter") => "ArticleFilter",
        (_, "orderBy") => "ArticleOrder!",
        _ => panic!("{field} has no argument {name}"),
    }
}

/// A word and what it is in a slug. Both stemmers leave them alone.
pub(super) const WORDS: [(&str, &str); 15] = [
    ("zorb", "zorb"),
    ("Zorb", "zorb"),
    ("wug", "wug"),
    ("WUG", "wug"),
    ("tarn", "tarn"),
    ("été", "ete"),
    ("ÉTÉ", "ete"),
    ("Maß", "mass"),
    ("ΟΔΟΣ", "odos"),
    ("日本", "ri-ben"),
    ("42", "42"),
    ("İ", "i"),
    ("%", ""),
    ("_", ""),
    (LONG, LONG),
];
const LONG: &str = "kvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvl";

const SLUGS: [&str; 9] = [
    "zorb", "Zorb", "zorb-2", "zorb-3", "zorb wug", "été", "%", "_b", "\\",
];

/// What titles, slugs and texts are searched for in.
const PARTS: [&str; 22] = [
    "", "z", "ZORB", "orb w", "G", "é", "É", "e", "ß", "ẞ", "SS", "%", "_", "\\", "Σ", "σ", "ς",
    "İ", "日", "-2", "'", "\"",
];

const SEARCHED: [&str; 13] = [
    "zorb", "ZORB", "wugs", "tarn", "été", "Été", "ete", "maß", "mass", "οδος", "日本", "42", "İ",
];

/// Instants as they are given, and what they are in microseconds since 1970.
pub(super) const INSTANTS: [(&str, i64); 8] = [
    ("2026-01-31T09:30:00Z", 1_769_851_800_000_000),
    ("2026-01-31T11:30:00+02:00", 1_769_851_800_000_000),
    ("2026-01-31T09:30:00.000001Z", 1_769_851_800_000_001),
    ("2026-01-31T09:30:00.0000019Z", 1_769_851_800_000_001),
    ("2026-01-31T09:30:00.000002-00:00", 1_769_851_800_000_002),
    ("1969-12-31T23:59:59.9999999Z", -1),
    ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
    ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
];

const ORDERS: [&str; 9] = [
    "CREATED_AT_ASC",
    "CREATED_AT_DESC",
    "UPDATED_AT_ASC",
    "UPDATED_AT_DESC",
    "TITLE_ASC",
    "TITLE_DESC",
    "SLUG_ASC",
    "SLUG_DESC",
    "RELEVANCE",
];

pub(super) fn step() -> impl Strategy<Value = Step> {
    let calls = prop_oneof![
        1 => prop::collection::vec(mutation(), 1..=2),
        1 => query().prop_map(|call| vec![call]),
    ];
    (select(vec![0, 1, 1, 1_000]), calls, 0..1u32 << 14).prop_map(|(micros, calls, selected)| {
        Step {
            micros,
            calls,
            selected,
        }
    })
}

fn mutation() -> impl Strategy<Value = Call> {
    let call = |field, arguments| Call { field, arguments };
    let many = prop::collection::vec(create_input(), 0..5);
    let expected = || {
        prop_oneof![
            Just(json!(null)),
            Just(json!("=0")),
            Just(json!("=0")),
            Just(json!("=1"))
        ]
    };
    prop_oneof![
        4 => create_input().prop_map(move |input| call("createArticle", json!({ "input": input }))),
        2 => many.prop_map(move |inputs| call("createArticles", json!({ "inputs": inputs }))),
        3 => (id(), update_input(), expected()).prop_map(move |(id, input, expected)| {
            call("updateArticle", json!({ "id": id, "input": input, "expectedVersion": expected }))
        }),
        2 => (id(), expected()).prop_map(move |(id, expected)| {
            call("deleteArticle", json!({ "id": id, "expectedVersion": expected }))
        }),
    ]
}

fn query() -> impl Strategy<Value = Call> {
    let call = |field, arguments| Call { field, arguments };
    let by = prop_oneof![
        id().prop_map(|id| json!({ "id": id })),
        slug().prop_map(|slug| json!({ "slug": slug })),
    ];
    let ids = prop::collection::vec(id(), 0..4);
    let limit = prop_oneof![8 => 1..8i32, 1 => select(vec![0, 100, 101, -1])];
    let offset = prop_oneof![8 => 0..4i32, 1 => select(vec![-1, i32::MAX])];
    let relevant = prop_oneof![4 => filter().boxed(), 1 => Just(Value::Null).boxed()];
    prop_oneof![
        1 => by.prop_map(move |by| call("article", json!({ "by": by }))),
        1 => id().prop_map(move |id| call("node", json!({ "id": id }))),
        1 => ids.prop_map(move |ids| call("nodes", json!({ "ids": ids }))),
        3 => (filter(), 0..8usize, limit, offset).prop_map(move |(filter, order, limit, offset)| {
            let order = ORDERS[order];
            call("articles", json!({ "filter": filter, "orderBy": order, "limit": limit, "offset": offset }))
        }),
        8 => connection(),
        // A page of some of the best would be another on each database.
        2 => (relevant, search(), 0..3u8).prop_map(move |(mut filter, search, form)| {
            if let Value::Object(filter) = &mut filter {
                filter.insert("search".to_owned(), json!(search));
            }
            match form {
                0 => call("articles", json!({ "filter": filter, "orderBy": "RELEVANCE", "limit": 100, "offset": 0 })),
                1 => call("articlesConnection", json!({ "filter": filter, "orderBy": "RELEVANCE", "first": 100 })),
                _ => call("articlesConnection", json!({ "filter": filter, "orderBy": "RELEVANCE", "last": 100 })),
            }
        }),
    ]
}

fn connection() -> impl Strategy<Value = Call> {
    let filter = prop_oneof![2 => Just(Value::Null).boxed(), 1 => filter().boxed()];
    let size = || prop_oneof![8 => 0..5i32, 1 => select(vec![-1, 100, 101])];
    let sizes = prop_oneof![
        8 => size().prop_map(|first| (json!(first), Value::Null)),
        8 => size().prop_map(|last| (Value::Null, json!(last))),
        1 => Just((Value::Null, Value::Null)),
        1 => (size(), size()).prop_map(|(first, last)| (json!(first), json!(last))),
    ];
    let cursor = || {
        prop_oneof![
            Just(Value::Null),
            any::<u8>().prop_map(|number| json!(format!("@{number}")))
        ]
    };
    let order = 0..8usize;
    (filter, order, sizes, cursor(), cursor()).prop_map(
        |(filter, order, (first, last), after, before)| Call {
            field: "articlesConnection",
            arguments: json!({
                "filter": filter, "orderBy": ORDERS[order],
                "first": first, "last": last, "after": after, "before": before,
            }),
        },
    )
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => any::<u8>().prop_map(|number| format!("#{number}")),
        1 => select(vec!["0190163d-8694-739b-aea5-966c26f8ad91", "1", ""]).prop_map(str::to_owned),
    ]
}

fn word() -> impl Strategy<Value = &'static str> {
    select(WORDS.map(|(word, _)| word).to_vec())
}

fn title() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(word(), 1..=3).prop_map(|words| words.join(" "));
    prop_oneof![16 => words, 1 => select(vec!["", "\0"]).prop_map(str::to_owned)]
}

fn slug() -> impl Strategy<Value = String> {
    let allowed = select(SLUGS.to_vec()).prop_map(str::to_owned);
    prop_oneof![16 => allowed.boxed(), 1 => Just("x".repeat(66)).boxed()]
}

fn text() -> impl Strategy<Value = String> {
    let separator = select(vec![" ", ". ", "\n", "-"]);
    (prop::collection::vec(word(), 0..5), separator)
        .prop_map(|(words, separator)| words.join(separator))
}

fn instant() -> impl Strategy<Value = &'static str> {
    // The first ones are those at which the clock stands.
    select(INSTANTS.map(|(text, _)| text).to_vec())
}

fn create_input() -> impl Strategy<Value = Value> {
    let slug = prop::option::weighted(0.3, slug());
    let created_at = prop::option::weighted(
        0.5,
        prop_oneof![30 => instant(), 1 => select(vec!["yesterday", "0000-12-31T00:00:00Z"])],
    );
    (title(), slug, text(), created_at).prop_map(|(title, slug, text, created_at)| {
        json!({ "title": title, "slug": slug, "text": text, "createdAt": created_at })
    })
}

fn update_input() -> impl Strategy<Value = Value> {
    use prop::option::of;
    (of(title()), of(slug()), of(text()))
        .prop_map(|(title, slug, text)| json!({ "title": title, "slug": slug, "text": text }))
}

fn filter() -> impl Strategy<Value = Value> {
    let leaf = prop::collection::vec(condition(), 0..=2).prop_map(object);
    leaf.prop_recursive(3, 8, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        let nested = prop_oneof![
            list().prop_map(|list| ("and", json!(list))),
            list().prop_map(|list| ("or", json!(list))),
            inner.clone().prop_map(|filter| ("not", filter)),
        ];
        (
            prop::collection::vec(nested, 1..=2),
            prop::option::of(condition()),
        )
            .prop_map(|(nested, condition)| object(nested.into_iter().chain(condition)))
    })
}

fn object(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let entries = entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Value::Object(entries.collect())
}

fn condition() -> impl Strategy<Value = (&'static str, Value)> {
    let ids = prop::collection::vec(id(), 0..4);
    let id = prop_oneof![
        id().prop_map(|id| json!({ "eq": id })),
        ids.prop_map(|ids| json!({ "in": ids })),
    ];
    let value = || prop_oneof![title_or_slug(), text()];
    let values = prop::collection::vec(value(), 0..3);
    let text = prop_oneof![
        2 => (select(vec!["eq", "ne"]), value()).prop_map(|(name, value)| (name, json!(value))),
        1 => (select(vec!["in", "notIn"]), values).prop_map(|(name, values)| (name, json!(values))),
        4 => (select(vec!["contains", "startsWith", "endsWith"]), select(PARTS.to_vec()))
            .prop_map(|(name, part)| (name, json!(part))),
    ];
    let texts = (
        select(vec!["title", "slug", "text"]),
        prop::collection::vec(text, 1..=2),
    );
    let comparison = (
        select(vec!["eq", "lt", "lte", "gt", "gte"]),
        instant().prop_map(|i| json!(i)),
    );
    let instants = (
        select(vec!["createdAt", "updatedAt"]),
        prop::collection::vec(comparison, 1..=2),
    );
    prop_oneof![
        1 => id.prop_map(|id| ("id", id)),
        4 => texts.prop_map(|(column, tests)| (column, object(tests))),
        2 => instants.prop_map(|(column, tests)| (column, object(tests))),
        2 => search().prop_map(|search| ("search", json!(search))),
    ]
}

fn title_or_slug() -> impl Strategy<Value = String> {
    prop_oneof![
        select(SLUGS.to_vec()).prop_map(str::to_owned),
        word().prop_map(str::to_owned)
    ]
}

/// Alternatives joined by `or`, of words and phrases, some of which must not occur.
fn search() -> impl Strategy<Value = String> {
    let word = || select(SEARCHED.to_vec());
    let term = prop_oneof![
        2 => word().prop_map(str::to_owned),
        1 => (word(), word()).prop_map(|(one, other)| format!("\"{one} {other}\"")),
    ];
    let term = (prop::bool::weighted(0.2), term)
        .prop_map(|(not, term)| if not { format!("-{term}") } else { term });
    let terms = prop::collection::vec(term, 1..=3).prop_map(|terms| terms.join(" "));
    let alternatives = prop::collection::vec(terms, 1..=2).prop_map(|terms| terms.join(" or "));
    prop_oneof![
        12 => alternatives,
        1 => Just("?!".to_owned()),
        1 => Just(" ".to_owned()),
    ]
}
