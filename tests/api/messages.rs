//! Messages repeat at most a hundred characters of a client's text, however long it is.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Answer, Database, TestApp, client, on_both_databases, start};
use crate::transports::Transport;

/// Documents with an error that involves `N`, which is replaced by a name of a hundred thousand characters.
const DOCUMENTS: [&str; 32] = [
    "{ N }",
    "{ articles { N } }",
    "{ articles(N: 1) { id } }",
    "{ articles(filter: { N: 1 }) { id } }",
    "{ articles(orderBy: N) { id } }",
    "{ articles(limit: N) { id } }",
    "{ articles(limit: \"N N N\") { id } }",
    "{ articles(filter: { N: 1, N: 2 }) { id } }",
    "{ articles { ...N } }",
    "{ articles { ... on N { id } } }",
    "{ articles { id @N } }",
    "{ articles { id @skip(N: true) } }",
    "{ N: articles(limit: 1) { id } N: articles(limit: 2) { id } }",
    "{ articles(limit: $N) { id } }",
    "query($N: Int) { articles { id } }",
    "query($N: Int, $N: Int) { articles(limit: $N) { id } }",
    "query($N: N) { articles(limit: $N) { id } }",
    "query($a: N) { articles(limit: $a) { id } }",
    "query($N: String) { articles(limit: $N) { id } }",
    "query($N: Int!) { articles(limit: $N) { id } }",
    "query($N: Boolean = true) { articles { id @skip(if: $N) } }",
    "query N { articles { id } } query N { articles { id } }",
    "fragment N on Article { id } { articles { id } }",
    "fragment N on Article { ...N } { articles { ...N } }",
    "fragment N on N { id } { articles { ...N } }",
    "fragment N on Article { id } fragment N on Article { id } { articles { ...N } }",
    "{ articles { id } \"N N N\" }",
    "{ articles { id } N N N",
    "\"N N N\" { articles { id } }",
    "{ articles(limit: 1N) { id } }",
    "{ articles(limit: 111111N N) { id } }",
    "N N N",
];

/// The length of the longest name that is not truncated in a message.
const NAME: usize = 50;

#[apply(on_both_databases)]
async fn a_long_name_in_a_document_is_truncated_in_messages(database: Database) {
    let app = start!(database);
    let name = "Nn".repeat(50_000);
    for document in DOCUMENTS {
        let query = document.replace('N', &name);
        let variables = json!({ name.as_str(): null });
        let request = json!({ "query": query, "variables": variables });
        let answer = app.graphql(&request).await.json();
        let errors = answer["errors"].as_array();
        let errors = errors.unwrap_or_else(|| panic!("{document} passes"));
        for error in errors {
            check(document, error);
        }
    }
}

fn check(what: &str, error: &Value) {
    let message = error["message"].as_str().unwrap();
    let repeated = message.matches("Nn").count() * 2;
    assert!(repeated <= 2 * NAME, "{what}: {message}");
    assert!(message.chars().count() < 400, "{what}: {message}");
    let field = error["extensions"]["field"].as_str().unwrap_or_default();
    assert!(field.len() < 200, "{what}: {field}");
}

#[apply(on_both_databases)]
async fn a_long_name_in_a_request_is_truncated_in_messages(database: Database) {
    let app = start!(database);
    // As long as a URL may be.
    let name = "Nn".repeat(5_000);
    let create = "mutation($i: CreateArticleInput!) { createArticle(input: $i) { id } }";
    let list =
        "query($o: ArticleOrder!, $f: ArticleFilter) { articles(filter: $f, orderBy: $o) { id } }";
    for request in [
        json!({ "query": "{ __typename }", "operationName": name }),
        json!({ "query": "query A { __typename } query B { __typename }", "operationName": name }),
        json!({ "query": create, "variables": { "i": { "title": "", "text": "", name.as_str(): 1 } } }),
        json!({ "query": list, "variables": { "o": name } }),
        json!({ "query": list, "variables": { "o": "SLUG_ASC", "f": { "createdAt": { "eq": name } } } }),
        json!({ "query": list, "variables": { "o": "SLUG_ASC", "f": { "and": [{ name.as_str(): name }] } } }),
        json!({ "documentId": name }),
        json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": name } } }),
        json!({ "extensions": { "persistedQuery": { "version": name } } }),
        json!({ "query": "query($a: String) { articlesConnection(after: $a) { totalCount } }", "variables": { "a": name } }),
        json!({ "query": "query($a: String!) { articleChanges(after: $a) { hasMore } }", "variables": { "a": name } }),
        json!({ "query": "subscription($a: String) { articleChanges(after: $a) { kind } }", "variables": { "a": name } }),
    ] {
        for transport in Transport::ALL {
            let what = format!("{transport:?} {}", &request.to_string()[..60]);
            let answer = transport.ask(&app.url("/graphql"), &request).await;
            let errors = answer["errors"].as_array();
            let errors = errors.unwrap_or_else(|| panic!("{what} passes"));
            for error in errors {
                check(&what, error);
            }
        }
    }
}

#[apply(on_both_databases)]
async fn a_long_method_or_body_is_truncated_in_messages(database: Database) {
    let app = start!(database);
    let name = "NN".repeat(5_000);
    let method = reqwest::Method::from_bytes(name.as_bytes()).unwrap();
    let answer = Answer::to(client().request(method, app.url("/graphql"))).await;
    assert!(
        answer.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .len()
            < 200
    );
    for body in [
        format!("{{\"query\":{name}}}"),
        name.clone(),
        format!("{{\"{name}\"}}"),
    ] {
        let answer = post(&app, body).await.json();
        assert!(
            answer["errors"][0]["message"].as_str().unwrap().len() < 200,
            "{answer}"
        );
    }
}

async fn post(app: &TestApp, body: String) -> Answer {
    let request = client().post(app.url("/graphql")).body(body);
    Answer::to(request.header("content-type", "application/json")).await
}
