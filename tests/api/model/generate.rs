//! Random steps. Words, slugs and instants come from small pools, so that they often collide.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::step::{Call, INSTANTS, Step, WORDS};
use crate::support::ORDERS;

pub(super) const SLUGS: [&str; 9] = [
    "zorb", "Zorb", "zorb-2", "zorb-3", "zorb wug", "été", "%", "_b", "\\",
];

/// The substrings for which titles, slugs and texts are searched.
pub(super) const PARTS: [&str; 22] = [
    "", "z", "ZORB", "orb w", "G", "é", "É", "e", "ß", "ẞ", "SS", "%", "_", "\\", "Σ", "σ", "ς",
    "İ", "日", "-2", "'", "\"",
];

pub(super) const SEARCHED: [&str; 13] = [
    "zorb", "ZORB", "wugs", "tarn", "été", "Été", "ete", "maß", "mass", "οδος", "日本", "42", "İ",
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

pub(super) fn mutation() -> impl Strategy<Value = Call> {
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

pub(super) fn query() -> impl Strategy<Value = Call> {
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
        // A page of the best matches differs between the databases.
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

pub(super) fn connection() -> impl Strategy<Value = Call> {
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

pub(super) fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => any::<u8>().prop_map(|number| format!("#{number}")),
        1 => select(vec!["0190163d-8694-739b-aea5-966c26f8ad91", "1", ""]).prop_map(str::to_owned),
    ]
}

pub(super) fn word() -> impl Strategy<Value = &'static str> {
    select(WORDS.map(|(word, _)| word).to_vec())
}

pub(super) fn title() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(word(), 1..=3).prop_map(|words| words.join(" "));
    prop_oneof![16 => words, 1 => select(vec!["", "\0"]).prop_map(str::to_owned)]
}

pub(super) fn slug() -> impl Strategy<Value = String> {
    let allowed = select(SLUGS.to_vec()).prop_map(str::to_owned);
    prop_oneof![16 => allowed.boxed(), 1 => Just("x".repeat(66)).boxed()]
}

pub(super) fn text() -> impl Strategy<Value = String> {
    let separator = select(vec![" ", ". ", "\n", "-"]);
    (prop::collection::vec(word(), 0..5), separator)
        .prop_map(|(words, separator)| words.join(separator))
}

pub(super) fn instant() -> impl Strategy<Value = &'static str> {
    // The first instants are times of the clock.
    select(INSTANTS.map(|(text, _)| text).to_vec())
}

pub(super) fn create_input() -> impl Strategy<Value = Value> {
    let slug = prop::option::weighted(0.3, slug());
    let created_at = prop::option::weighted(
        0.5,
        prop_oneof![30 => instant(), 1 => select(vec!["yesterday", "0000-12-31T00:00:00Z"])],
    );
    (title(), slug, text(), created_at).prop_map(|(title, slug, text, created_at)| {
        json!({ "title": title, "slug": slug, "text": text, "createdAt": created_at })
    })
}

pub(super) fn update_input() -> impl Strategy<Value = Value> {
    use prop::option::of;
    (of(title()), of(slug()), of(text()))
        .prop_map(|(title, slug, text)| json!({ "title": title, "slug": slug, "text": text }))
}

pub(super) fn filter() -> impl Strategy<Value = Value> {
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

pub(super) fn object(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let entries = entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Value::Object(entries.collect())
}

pub(super) fn condition() -> impl Strategy<Value = (&'static str, Value)> {
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

pub(super) fn title_or_slug() -> impl Strategy<Value = String> {
    prop_oneof![
        select(SLUGS.to_vec()).prop_map(str::to_owned),
        word().prop_map(str::to_owned)
    ]
}

/// Alternatives joined by `or`, of words and phrases, some of which must not occur.
pub(super) fn search() -> impl Strategy<Value = String> {
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
