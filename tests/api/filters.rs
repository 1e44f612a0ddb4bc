//! Filters: what each condition means, exactly the same on both databases, and how large a filter may be.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{InProcess, in_process};
use crate::support::{Database, on_both_databases};

/// Slug, title and text.
const ARTICLES: [(&str, &str, &str); 8] = [
    ("a", "İstanbul", "100% sure"),
    ("b", "ISTANBUL", "a\\b"),
    ("c", "Straße_1", "100 sure"),
    ("d", "STRASSE 1", ""),
    ("e", "ΟΔΟΣ", "x\ny"),
    ("f", "οδος", "\u{1f600}"),
    ("g", "Été\\plage", "O'Neill \"quoted\""),
    ("h", "été 50%_x", "{}[]"),
];

const ALL: &str = "a b c d e f g h";

#[apply(on_both_databases)]
async fn texts_are_compared_exactly_but_parts_ignore_case(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    for (filter, expected) in [
        (json!({ "title": { "eq": "ISTANBUL" } }), "b"),
        (json!({ "title": { "eq": "istanbul" } }), ""),
        (json!({ "title": { "ne": "ISTANBUL" } }), "a c d e f g h"),
        (
            json!({ "title": { "in": ["οδος", "Straße_1", "x"] } }),
            "c f",
        ),
        (
            json!({ "title": { "notIn": ["οδος", "Straße_1", "x"] } }),
            "a b d e g h",
        ),
        (json!({ "title": { "in": [] } }), ""),
        (json!({ "title": { "notIn": [] } }), ALL),
        (json!({ "title": { "eq": "" } }), ""),
        (json!({ "text": { "eq": "" } }), "d"),
        (json!({ "title": { "contains": "" } }), ALL),
        // Full lower case: İ becomes i and a dot above, ẞ becomes ß.
        (json!({ "title": { "contains": "İ" } }), "a"),
        (json!({ "title": { "contains": "istanbul" } }), "b"),
        (json!({ "title": { "contains": "STANBUL" } }), "a b"),
        (json!({ "title": { "contains": "ß" } }), "c"),
        (json!({ "title": { "contains": "ẞ" } }), "c"),
        (json!({ "title": { "contains": "ss" } }), "d"),
        // Σ, σ and ς are one letter in any position.
        (json!({ "title": { "contains": "ΟΔΟΣ" } }), "e f"),
        (json!({ "title": { "endsWith": "ς" } }), "e f"),
        (json!({ "title": { "contains": "Σ" } }), "e f"),
        (json!({ "title": { "endsWith": "οσ" } }), "e f"),
        (json!({ "title": { "startsWith": "ΟΔ" } }), "e f"),
        (json!({ "title": { "startsWith": "éT" } }), "g h"),
        // Composed characters differ from decomposed ones.
        (json!({ "title": { "startsWith": "e\u{301}" } }), ""),
        (json!({ "title": { "contains": "%" } }), "h"),
        (json!({ "title": { "contains": "_" } }), "c h"),
        (json!({ "title": { "contains": "\\" } }), "g"),
        (json!({ "title": { "contains": "50%_" } }), "h"),
        (json!({ "title": { "startsWith": "%" } }), ""),
        (json!({ "title": { "endsWith": "_" } }), ""),
        (json!({ "text": { "contains": "100%" } }), "a"),
        (json!({ "text": { "endsWith": "\\B" } }), "b"),
        (json!({ "text": { "contains": "\n" } }), "e"),
        (json!({ "text": { "contains": "'neill \"" } }), "g"),
        (json!({ "text": { "eq": "\u{1f600}" } }), "f"),
        (
            json!({ "text": { "in": ["{}[]", "O'Neill \"quoted\"", "a\\b"] } }),
            "b g h",
        ),
        (
            json!({ "title": { "contains": "stanbul", "startsWith": "İ", "ne": "x" } }),
            "a",
        ),
        (json!({ "slug": { "contains": "A" } }), "a"),
    ] {
        assert_eq!(found(&app, &filter).await, expected, "{filter}");
    }
}

#[apply(on_both_databases)]
async fn conditions_nest_and_an_empty_list_of_them_is_true_or_false(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    let slug = |slug: &str| json!({ "slug": { "eq": slug } });
    for (filter, expected) in [
        (json!(null), ALL),
        (json!({}), ALL),
        (json!({ "and": [] }), ALL),
        (json!({ "or": [] }), ""),
        (json!({ "not": {} }), ""),
        (json!({ "not": { "and": [] } }), ""),
        (json!({ "not": { "or": [] } }), ALL),
        (json!({ "or": [{}] }), ALL),
        (json!({ "or": [{ "or": [] }, slug("a")] }), "a"),
        (json!({ "and": [{ "or": [] }, slug("a")] }), ""),
        (
            json!({ "and": null, "or": null, "not": null, "title": null, "search": null }),
            ALL,
        ),
        (
            json!({ "title": {}, "id": {}, "createdAt": { "eq": null } }),
            ALL,
        ),
        (
            json!({ "or": [slug("a"), slug("b")], "not": slug("b") }),
            "a",
        ),
        (
            json!({ "or": [slug("a"), { "and": [slug("b"), { "not": slug("b") }] }] }),
            "a",
        ),
        (
            json!({ "not": { "or": [slug("a"), slug("b")] } }),
            "c d e f g h",
        ),
        (
            json!({ "not": { "not": { "not": slug("a") } } }),
            "b c d e f g h",
        ),
        (json!({ "id": { "eq": "no-uuid" } }), ""),
        (json!({ "not": { "id": { "eq": "no-uuid" } } }), ALL),
        (json!({ "id": { "in": [] } }), ""),
        (json!({ "not": { "search": "!!!" } }), ALL),
        (json!({ "not": { "search": " " } }), ""),
        (
            json!({ "createdAt": { "gte": "2026-01-31T10:30:00+01:00" } }),
            ALL,
        ),
        (json!({ "createdAt": { "gt": "2026-01-31T09:30:00Z" } }), ""),
        (
            json!({ "createdAt": { "lt": "9999-12-31T23:59:59.999999Z", "gt": "0001-01-01T00:00:00Z" } }),
            ALL,
        ),
        (
            json!({ "updatedAt": { "eq": "2026-01-31T09:30:00.0000009Z" } }),
            ALL,
        ),
    ] {
        assert_eq!(found(&app, &filter).await, expected, "{filter}");
    }
}

#[apply(on_both_databases)]
async fn the_largest_filters_are_executed(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    let slug = json!({ "slug": { "eq": "a" } });
    // Each member of a list is a condition, and so are its fields.
    let conditions = |count: usize, condition: Value| json!({ "or": vec![condition; count] });
    let values: Vec<String> = (0..999)
        .map(|n| format!("{n}"))
        .chain(["a".to_owned()])
        .collect();
    let ids = vec!["019c1363-49c0-7000-8000-000000000001"; 1_000];
    let words = |separator: &str| vec!["zorb"; 999].join(separator);
    for (filter, expected) in [
        (conditions(100, slug.clone()), "a"),
        (
            conditions(
                100,
                json!({ "not": { "not": { "title": { "contains": "İ" } } } }),
            ),
            "a",
        ),
        (conditions(100, json!({ "slug": { "in": values } })), "a"),
        (
            conditions(100, json!({ "not": { "text": { "notIn": values } } })),
            "",
        ),
        (
            conditions(100, json!({ "search": "istanbul or sure" })),
            "a b c",
        ),
        (
            conditions(100, json!({ "search": "-istanbul" })),
            "c d e f g h",
        ),
        (
            json!({ "and": vec![json!({ "or": vec![slug.clone(); 24] }); 4] }),
            "a",
        ),
        (json!({ "id": { "in": ids } }), "a"),
        (nested(10, &slug), "a"),
        (
            json!({ "search": format!("{} or sure", words(" ")) }),
            "a c",
        ),
        (
            json!({ "search": format!("{} or sure", words(" or ")) }),
            "a c",
        ),
        (json!({ "search": format!("sure -{}", words(" -")) }), "a c"),
        (
            json!({ "search": format!("-{} or sure", words(" or -")) }),
            ALL,
        ),
        (
            json!({ "search": format!("\"{}\" or sure", words(" ")) }),
            "a c",
        ),
    ] {
        let shown = filter.to_string();
        let shown: String = shown.chars().take(100).collect();
        assert_eq!(found(&app, &filter).await, expected, "{shown}");
    }
}

#[apply(on_both_databases)]
async fn a_larger_filter_is_rejected_before_the_database_is_used(database: Database) {
    let app = in_process!(database);
    let slug = json!({ "slug": { "eq": "a" } });
    let values = vec!["a"; 1_001];
    let words = vec!["zorb"; 1_001].join(" ");
    for (filter, field, message) in [
        (
            json!({ "or": vec![slug.clone(); 101] }),
            "filter.or",
            "a filter may have at most 200 conditions",
        ),
        (
            json!({ "slug": { "in": values } }),
            "filter.slug.in",
            "filter.slug.in may have at most 1000 values, but it has 1001",
        ),
        (
            json!({ "title": { "notIn": values } }),
            "filter.title.notIn",
            "filter.title.notIn may have at most 1000 values, but it has 1001",
        ),
        (
            json!({ "id": { "in": values } }),
            "filter.id.in",
            "filter.id.in may have at most 1000 values, but it has 1001",
        ),
        (
            nested(11, &slug),
            "filter.not.not.not.not.not.not.not.not.not.not.not",
            "a filter may nest at most 10 deep",
        ),
        (
            json!({ "and": [{ "search": words }] }),
            "filter.and.0.search",
            "the searches of a filter may have at most 1000 words",
        ),
        (
            json!({ "and": vec![json!({ "search": "zorb ".repeat(11) }); 100] }),
            "filter.and.90.search",
            "the searches of a filter may have at most 1000 words",
        ),
    ] {
        assert_eq!(
            found(&app, &filter).await,
            format!("BAD_USER_INPUT {field}: {message}")
        );
    }
}

#[apply(on_both_databases)]
async fn a_nul_character_is_rejected_anywhere(database: Database) {
    let app = in_process!(database);
    for column in ["title", "slug", "text"] {
        for test in ["eq", "ne", "contains", "startsWith", "endsWith"] {
            let filter = json!({ "or": [{ column: { test: "a\0" } }] });
            let expected = format!(
                "BAD_USER_INPUT filter.or.0.{column}.{test}: {test} must not contain a NUL character (U+0000)"
            );
            assert_eq!(found(&app, &filter).await, expected);
        }
        for test in ["in", "notIn"] {
            let filter = json!({ column: { test: ["a", "\0"] } });
            let expected = format!(
                "BAD_USER_INPUT filter.{column}.{test}.1: {test} must not contain a NUL character (U+0000)"
            );
            assert_eq!(found(&app, &filter).await, expected);
        }
    }
    // It matches no article, and in a search it is not a word, so nothing is found.
    for filter in [
        json!({ "id": { "eq": "\0" } }),
        json!({ "id": { "in": ["\0"] } }),
    ] {
        assert_eq!(found(&app, &filter).await, "");
    }
    fill(&app).await;
    assert_eq!(found(&app, &json!({ "search": "\0" })).await, "");
    assert_eq!(found(&app, &json!({ "search": "istanbul\0" })).await, "a b");
}

#[apply(on_both_databases)]
async fn invalid_instants_are_rejected(database: Database) {
    let app = in_process!(database);
    for (instant, message) in [
        (
            "",
            "expected an RFC 3339 instant such as 2026-01-31T09:30:00.123456Z",
        ),
        (
            "2026-01-31",
            "expected an RFC 3339 instant such as 2026-01-31T09:30:00.123456Z",
        ),
        (
            "0001-01-01T00:00:00+00:01",
            "expected an instant between the years 1 and 9999 (UTC)",
        ),
    ] {
        let filter = json!({ "not": { "updatedAt": { "lte": instant } } });
        let expected = format!("BAD_USER_INPUT filter.not.updatedAt.lte: {message}");
        assert_eq!(found(&app, &filter).await, expected);
    }
}

/// `condition`, negated this number of times.
fn nested(depth: usize, condition: &Value) -> Value {
    (0..depth).fold(condition.clone(), |inner, _| json!({ "not": inner }))
}

async fn fill(app: &InProcess) {
    let inputs: Vec<Value> = ARTICLES
        .iter()
        .map(|(slug, title, text)| json!({ "slug": slug, "title": title, "text": text }))
        .collect();
    let create =
        "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
    app.data(create, json!({ "inputs": inputs })).await;
}

/// The slugs that a filter finds, or its error.
async fn found(app: &InProcess, filter: &Value) -> String {
    let query = "query($filter: ArticleFilter) \
        { articles(filter: $filter, orderBy: SLUG_ASC, limit: 100) { slug } }";
    let answer = app.ask_with(query, json!({ "filter": filter })).await;
    if let Some(error) = answer["errors"].get(0) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let extensions = &error["extensions"];
        let (code, field) = (text(&extensions["code"]), text(&extensions["field"]));
        return format!("{code} {field}: {}", text(&error["message"]));
    }
    let articles = answer["data"]["articles"].as_array().unwrap().iter();
    let slugs: Vec<&str> = articles
        .map(|article| article["slug"].as_str().unwrap())
        .collect();
    slugs.join(" ")
}
