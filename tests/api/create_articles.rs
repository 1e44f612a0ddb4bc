//! The mutation `createArticles`: all or none.

mod bulk;

use std::collections::BTreeSet;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{InProcess, in_process};
use crate::support::{Database, on_both_databases};

const CREATE: &str =
    "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { title slug } }";

#[apply(on_both_databases)]
async fn an_invalid_last_input_rejects_all_thousand(database: Database) {
    let app = in_process!(database);
    let mut inputs = thousand(|number| json!({ "title": format!("Article {number}"), "text": "" }));
    inputs[999]["title"] = json!("");
    let answer = create(&app, &inputs).await;
    assert_eq!(
        answer,
        json!({
            "data": { "createArticles": null },
            "errors": [{
                "message": "title must have 1 to 65 characters, but it is empty",
                "locations": [{ "line": 1, "column": 45 }],
                "path": ["createArticles"],
                "extensions": { "code": "BAD_USER_INPUT", "field": "inputs.999.title" },
            }],
        })
    );
    assert_eq!(count(&app).await, 0);
    inputs[999] = json!({ "title": "b", "text": "", "slug": "article-1" });
    let answer = create(&app, &inputs).await;
    assert_eq!(
        answer["errors"][0]["extensions"],
        json!({ "code": "SLUG_TAKEN", "field": "inputs.999.slug" })
    );
    assert_eq!(count(&app).await, 0);
    inputs[999]["slug"] = json!("another");
    assert_eq!(create(&app, &inputs).await.get("errors"), None);
    assert_eq!(count(&app).await, 1_000);
}

#[apply(on_both_databases)]
async fn more_than_a_thousand_are_rejected_and_an_empty_list_is_allowed(database: Database) {
    let app = in_process!(database);
    let mut inputs = thousand(|_| json!({ "title": "a", "text": "" }));
    inputs.push(inputs[0].clone());
    let answer = create(&app, &inputs).await;
    assert_eq!(
        answer["errors"][0]["extensions"],
        json!({ "code": "BAD_USER_INPUT", "field": "inputs" })
    );
    assert_eq!(
        create(&app, &[]).await,
        json!({ "data": { "createArticles": [] } })
    );
    assert_eq!(count(&app).await, 0);
}

#[apply(on_both_databases)]
async fn a_thousand_equal_titles_are_numbered(database: Database) {
    let app = in_process!(database);
    // One number is already used, and the batch itself claims another.
    let taken = [
        json!({ "title": "b", "slug": "a-7", "text": "" }),
        json!({ "title": "b", "slug": "a-990", "text": "" }),
    ];
    create(&app, &taken).await;
    let mut inputs = thousand(|_| json!({ "title": "a", "text": "" }));
    inputs[0]["slug"] = json!("a-5");
    let answer = create(&app, &inputs).await;
    let slugs = slugs(&answer);
    let free = (1..).filter(|number| ![5, 7, 990].contains(number));
    let numbered = free.map(|number| match number {
        1 => "a".to_owned(),
        _ => format!("a-{number}"),
    });
    let expected: Vec<String> = ["a-5".to_owned()]
        .into_iter()
        .chain(numbered)
        .take(1_000)
        .collect();
    assert_eq!(slugs, expected);
}

#[apply(on_both_databases)]
async fn a_taken_slug_names_its_input(database: Database) {
    let app = in_process!(database);
    create(&app, &[json!({ "title": "Taken", "text": "" })]).await;
    let inputs = [
        // Gets a number, because its slug is generated …
        json!({ "title": "Taken", "text": "" }),
        json!({ "title": "b", "slug": "c", "text": "" }),
        // … while a given slug is used unchanged.
        json!({ "title": "d", "slug": "taken", "text": "" }),
    ];
    let answer = create(&app, &inputs).await;
    assert_eq!(
        answer["errors"][0]["extensions"],
        json!({ "code": "SLUG_TAKEN", "field": "inputs.2.slug" })
    );
    assert_eq!(slugs(&create(&app, &inputs[..2]).await), ["taken-2", "c"]);
    // A number is assigned before another input of the batch claims it.
    let inputs = [
        json!({ "title": "Taken", "text": "" }),
        json!({ "title": "d", "slug": "taken-3", "text": "" }),
    ];
    let answer = create(&app, &inputs).await;
    assert_eq!(
        answer["errors"][0]["extensions"],
        json!({ "code": "SLUG_TAKEN", "field": "inputs.1.slug" })
    );
    assert_eq!(count(&app).await, 3);
}

#[apply(on_both_databases)]
async fn concurrent_creations_with_equal_titles_in_opposite_order_succeed(database: Database) {
    let app = in_process!(database);
    for round in 0..3 {
        let title = |number| format!("round {round} article {number}");
        let up: Vec<Value> = (0..100)
            .map(|number| json!({ "title": title(number), "text": "" }))
            .collect();
        let down: Vec<Value> = up.iter().rev().cloned().collect();
        let (one, other) = tokio::join!(create(&app, &up), create(&app, &down));
        let all: BTreeSet<String> = slugs(&one).into_iter().chain(slugs(&other)).collect();
        assert_eq!(all.len(), 200);
    }
}

#[apply(on_both_databases)]
async fn concurrent_creations_with_equal_slugs_in_opposite_order_have_one_winner(
    database: Database,
) {
    let app = in_process!(database);
    for round in 0..3 {
        let slug = |number| format!("round {round} article {number}");
        let up: Vec<Value> = (0..100)
            .map(|number| json!({ "title": "a", "slug": slug(number), "text": "" }))
            .collect();
        let down: Vec<Value> = up.iter().rev().cloned().collect();
        let (one, other) = tokio::join!(create(&app, &up), create(&app, &down));
        let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].clone();
        let codes = BTreeSet::from([code(&one).to_string(), code(&other).to_string()]);
        let expected = BTreeSet::from(["null".to_owned(), "\"SLUG_TAKEN\"".to_owned()]);
        assert_eq!(codes, expected, "{one}\n{other}");
        assert_eq!(count(&app).await, (round + 1) * 100);
    }
}

/// An update from one slug to another runs with a batch that creates both, in the opposite order.
#[apply(on_both_databases)]
async fn concurrent_updates_and_creations_that_swap_slugs_finish(database: Database) {
    let app = in_process!(database);
    for round in 0..5 {
        let (old, new) = (format!("old {round}"), format!("new {round}"));
        let mut created = create(&app, &[json!({ "title": "a", "slug": old, "text": "" })]).await;
        assert_eq!(created.get("errors"), None);
        let by = json!({ "by": { "slug": old } });
        let id = app
            .data("query($by: ArticleBy!) { article(by: $by) { id } }", by)
            .await["article"]["id"]
            .take();
        // The lock on the new slug is taken before the one on the old.
        let inputs = [
            json!({ "title": "b", "slug": new, "text": "" }),
            json!({ "title": "b", "slug": old, "text": "" }),
        ];
        let update = "mutation($id: ID!, $slug: String!) \
            { updateArticle(id: $id, input: { slug: $slug }) { slug } }";
        let update = app.ask_with(update, json!({ "id": id, "slug": new }));
        let updated;
        (created, updated) = tokio::join!(create(&app, &inputs), update);
        for answer in [&created, &updated] {
            let code = &answer["errors"][0]["extensions"]["code"];
            assert!(code.is_null() || code == "SLUG_TAKEN", "{answer}");
        }
    }
}

fn thousand(input: impl Fn(usize) -> Value) -> Vec<Value> {
    (1..=1_000).map(input).collect()
}

async fn create(app: &InProcess, inputs: &[Value]) -> Value {
    app.ask_with(CREATE, json!({ "inputs": inputs })).await
}

fn slugs(answer: &Value) -> Vec<String> {
    let articles = answer["data"]["createArticles"].as_array();
    let articles = articles.unwrap_or_else(|| panic!("{answer}")).iter();
    articles
        .map(|article| article["slug"].as_str().unwrap().to_owned())
        .collect()
}

async fn count(app: &InProcess) -> i64 {
    let answer = app
        .data("{ articlesConnection { totalCount } }", json!({}))
        .await;
    answer["articlesConnection"]["totalCount"].as_i64().unwrap()
}
