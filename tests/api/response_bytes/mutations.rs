//! An executed mutation must return its result, so a mutation whose result would not fit is not executed.

use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{LIMIT, create, fill, ids};
use crate::support::{Database, on_both_databases, start};

#[apply(on_both_databases)]
async fn mutations_whose_result_would_not_fit_are_not_executed(database: Database) {
    let app = start!(database, LIMIT);
    fill(&app, &[4_000, 4_000, 4_000, 10]).await;
    let ids = ids(&app).await;
    let fields = ids.iter().zip(["a", "b", "c", "d"]);
    let fields: Vec<_> = fields
        .map(|(id, name)| format!(r#"{name}: deleteArticle(id: "{id}") {{ slug text }}"#))
        .collect();
    let document = format!("mutation {{ {} }}", fields.join(" "));
    let answer = app.query(&document).await.json();
    let slug = |name: &str| answer["data"][name]["slug"].as_str();
    assert_eq!(slug("a"), Some("article-1"));
    assert_eq!(slug("b"), Some("article-2"));
    assert_eq!(answer["data"]["c"], Value::Null);
    // A small one fits.
    assert_eq!(slug("d"), Some("article-4"));
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer}");
    assert_eq!(errors[0]["path"], json!(["c"]));
    assert_eq!(errors[0]["extensions"]["code"], "TOO_COMPLEX");
    let limit = json!({ "name": "responseBytes", "max": 10_000, "value": 10_001 });
    assert_eq!(errors[0]["extensions"]["limit"], limit);
    let left = app.query("{ articles { slug } }").await;
    assert_eq!(left.body, r#"{"data":{"articles":[{"slug":"article-3"}]}}"#);
}

#[apply(on_both_databases)]
async fn every_mutation_is_either_executed_and_returned_or_not_executed(database: Database) {
    let app = start!(database, LIMIT);
    // Its JSON stays within the limit if it is in the response once.
    create(&app, &"\u{1}".repeat(1_000)).await;
    let id = &ids(&app).await[0];
    let version = async || {
        let articles = app.query("{ articles { version } }").await.json();
        articles["data"]["articles"].clone()
    };
    let unchanged = json!([{ "version": 1 }]);

    let long = "y".repeat(4_000);
    let twice = "a: text b: text";
    let new = |title: &str| format!(r#"{{ title: "{title}", text: "{long}" }}"#);
    let many = [new("x"), new("y"), new("z")].join(" ");
    for (mutation, fields) in [
        (format!(r#"deleteArticle(id: "{id}")"#), twice),
        (
            format!(r#"deleteArticle(id: "{id}", expectedVersion: 1)"#),
            twice,
        ),
        (
            format!(r#"updateArticle(id: "{id}", input: {{ title: "other" }})"#),
            twice,
        ),
        (
            format!(r#"updateArticle(id: "{id}", input: {{ text: "{long}" }})"#),
            "a: text b: text c: text",
        ),
        (
            format!("createArticle(input: {})", new("x")),
            "a: text b: text c: text",
        ),
        (format!("createArticles(inputs: [{many}])"), "text"),
    ] {
        let document = format!("mutation {{ done: {mutation} {{ {fields} }} }}");
        let answer = app.query(&document).await.json();
        assert_eq!(answer["data"]["done"], Value::Null, "{mutation}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "TOO_COMPLEX");
        assert_eq!(version().await, unchanged, "{mutation}");
    }

    // Other errors take precedence.
    for (arguments, code) in [
        (
            format!(r#"id: "{id}", expectedVersion: 7"#),
            "VERSION_CONFLICT",
        ),
        (r#"id: "7""#.to_owned(), "NOT_FOUND"),
    ] {
        let document = format!("mutation {{ deleteArticle({arguments}) {{ {twice} }} }}");
        assert_eq!(app.query(&document).await.code(), code);
    }

    // Without the text, or with it once, it fits.
    let update = format!(
        r#"mutation {{ updateArticle(id: "{id}", input: {{ title: "other" }}) {{ version text }} }}"#
    );
    let updated = app.query(&update).await.json();
    assert_eq!(updated["data"]["updateArticle"]["version"], 2, "{updated}");
    let delete = format!(r#"mutation {{ deleteArticle(id: "{id}") {{ text }} }}"#);
    let deleted = app.query(&delete).await.json();
    let text = deleted["data"]["deleteArticle"]["text"].as_str().unwrap();
    assert_eq!(text.len(), 1_000);
}
