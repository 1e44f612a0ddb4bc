//! Concurrent writers: one version, one slug, one winner.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{InProcess, in_process};
use crate::support::{Database, on_both_databases};

const WRITERS: usize = 50;

#[apply(on_both_databases)]
async fn exactly_one_of_many_updates_of_one_version_wins(database: Database) {
    let app = in_process!(database);
    let id = create(&app, "a").await;
    let answers = at_once(&app, |writer| {
        let input = json!({ "title": format!("writer {writer}") });
        (
            "mutation($id: ID!, $input: UpdateArticleInput!) \
                { updateArticle(id: $id, input: $input, expectedVersion: 1) { title version } }",
            json!({ "id": id, "input": input }),
        )
    })
    .await;
    let winner = one_winner(
        &answers,
        &json!({ "code": "VERSION_CONFLICT", "currentVersion": 2 }),
    );
    let won = &winner["data"]["updateArticle"];
    assert_eq!(won["version"], 2);
    let kept = app.data("{ articles { title version } }", json!({})).await;
    assert_eq!(kept, json!({ "articles": [won] }));
}

#[apply(on_both_databases)]
async fn exactly_one_of_many_deletions_wins(database: Database) {
    let app = in_process!(database);
    let id = create(&app, "a").await;
    let answers = at_once(&app, |_| {
        (
            "mutation($id: ID!) { deleteArticle(id: $id, expectedVersion: 1) { title } }",
            json!({ "id": id }),
        )
    })
    .await;
    let winner = one_winner(&answers, &json!({ "code": "NOT_FOUND" }));
    assert_eq!(winner["data"], json!({ "deleteArticle": { "title": "a" } }));
}

#[apply(on_both_databases)]
async fn many_articles_of_one_title_are_numbered_without_a_gap(database: Database) {
    let app = in_process!(database);
    let answers = at_once(&app, |_| {
        (
            "mutation { createArticle(input: { title: \"a\", text: \"\" }) { slug } }",
            json!({}),
        )
    })
    .await;
    let slugs: BTreeSet<String> = answers
        .iter()
        .map(|answer| {
            let slug = answer["data"]["createArticle"]["slug"].as_str();
            slug.unwrap_or_else(|| panic!("{answer}")).to_owned()
        })
        .collect();
    let numbered = (2..=WRITERS).map(|number| format!("a-{number}"));
    assert_eq!(slugs, numbered.chain(["a".to_owned()]).collect());
}

#[apply(on_both_databases)]
async fn exactly_one_of_many_articles_gets_a_slug(database: Database) {
    let app = in_process!(database);
    let answers = at_once(&app, |_| {
        (
            "mutation { createArticle(input: { title: \"a\", slug: \"b\", text: \"\" }) { slug } }",
            json!({}),
        )
    })
    .await;
    one_winner(
        &answers,
        &json!({ "code": "SLUG_TAKEN", "field": "input.slug" }),
    );
}

/// The search index depends on title and text, and each of these updates changes only one of them.
#[apply(on_both_databases)]
async fn many_updates_without_a_version_all_succeed(database: Database) {
    let app = in_process!(database);
    let id = create(&app, "a").await;
    let mut versions = BTreeSet::new();
    for _ in 0..6 {
        let answers = at_once(&app, |writer| {
            let part = ["title", "text"][writer % 2];
            let input = json!({ part: format!("writer {writer}") });
            (
                "mutation($id: ID!, $input: UpdateArticleInput!) { updateArticle(id: $id, input: $input) { version } }",
                json!({ "id": id, "input": input }),
            )
        })
        .await;
        for answer in answers {
            let version = answer["data"]["updateArticle"]["version"].as_u64();
            versions.insert(version.unwrap_or_else(|| panic!("{answer}")));
        }
    }
    assert_eq!(versions, (2..=6 * WRITERS as u64 + 1).collect());
}

/// The responses to documents that are executed at the same time.
async fn at_once(app: &InProcess, document: impl Fn(usize) -> (&'static str, Value)) -> Vec<Value> {
    let asked = (0..WRITERS).map(|writer| {
        let (document, variables) = document(writer);
        app.ask_with(document, variables)
    });
    join_all(asked).await
}

/// The only response without an error; the errors of all others have these extensions.
fn one_winner<'a>(answers: &'a [Value], lost: &Value) -> &'a Value {
    let (won, others): (Vec<&Value>, Vec<&Value>) = answers
        .iter()
        .partition(|answer| answer.get("errors").is_none());
    for answer in others {
        assert_eq!(answer["errors"][0]["extensions"], *lost, "{answer}");
    }
    assert_eq!(won.len(), 1, "{won:?}");
    won[0]
}

async fn create(app: &InProcess, title: &str) -> Value {
    let document = "mutation($title: String!) \
        { createArticle(input: { title: $title, text: \"\" }) { id } }";
    app.data(document, json!({ "title": title })).await["createArticle"]["id"].take()
}
