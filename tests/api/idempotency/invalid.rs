//! Invalid keys, requests that may not have one, and mutations that fail.

use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{count, create, is_replayed, send};
use crate::support::{Answer, Database, assert_answer, client, on_both_databases, start};
use crate::transports::Transport;

#[apply(on_both_databases)]
async fn another_request_with_the_key_is_rejected(database: Database) {
    let app = start!(database);
    assert_eq!(send(&app, "a", &create("One")).await.code(), "");
    let rejected = send(&app, "a", &create("Other")).await;
    assert!(!is_replayed(&rejected));
    assert_answer!(rejected, @r#"
    422
    {
      "errors": [
        {
          "message": "this idempotency key was already used for another request, so nothing was done; use a new key for each mutation, and reuse a key only to repeat the same request",
          "locations": [
            {
              "line": 1,
              "column": 41
            }
          ],
          "path": [
            "createArticle"
          ],
          "extensions": {
            "code": "IDEMPOTENCY_KEY_REUSED"
          }
        }
      ]
    }
    "#);
    let request = client().post(app.url("/graphql")).json(&create("Other"));
    let request = request.header("idempotency-key", "a");
    let accept = "application/graphql-response+json";
    let rejected = Answer::to(request.header("accept", accept)).await;
    assert_eq!(
        (rejected.status, rejected.code().as_str()),
        (422, "IDEMPOTENCY_KEY_REUSED")
    );
    assert_eq!(count(&app).await, 1);
}

#[apply(on_both_databases)]
async fn a_mutation_that_fails_leaves_its_key_free(database: Database) {
    let app = start!(database);
    let with_slug = |title: &str| {
        let mut request = create(title);
        request["variables"]["input"]["slug"] = json!("taken");
        request
    };
    assert_eq!(send(&app, "first", &with_slug("First")).await.code(), "");
    let rejected = send(&app, "a", &with_slug("Second")).await;
    assert_eq!(rejected.code(), "SLUG_TAKEN");
    assert_eq!(
        rejected.json()["errors"][0]["extensions"]["field"],
        "input.slug"
    );
    let remove = "mutation($id: ID!, $version: Int) { deleteArticle(id: $id, expectedVersion: $version) { id } }";
    let mut request = json!({ "query": remove, "variables": { "id": "none" } });
    assert_eq!(send(&app, "b", &request).await.code(), "NOT_FOUND");
    let list = app.get("/api/v1/articles/").await.json();
    request["variables"]["id"] = list[0]["id"].clone();
    request["variables"]["version"] = json!(7);
    assert_eq!(send(&app, "b", &request).await.code(), "VERSION_CONFLICT");
    request["variables"]["version"] = json!(1);
    assert_eq!(send(&app, "b", &request).await.code(), "");
    // The slug is free now, and the key was not used up by the failure.
    let done = send(&app, "a", &with_slug("Second")).await;
    assert_eq!((done.code().as_str(), is_replayed(&done)), ("", false));

    let mut invalid = create("");
    assert_eq!(send(&app, "c", &invalid).await.code(), "BAD_USER_INPUT");
    invalid["variables"]["input"]["title"] = json!("c");
    assert_eq!(send(&app, "c", &invalid).await.code(), "");
    let inputs =
        json!([{ "title": "d", "text": "" }, { "title": "d", "slug": "taken", "text": "" }]);
    let many =
        "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { slug } }";
    let mut many = json!({ "query": many, "variables": { "inputs": inputs } });
    let rejected = send(&app, "d", &many).await;
    assert_eq!(
        rejected.json()["errors"][0]["extensions"]["field"],
        "inputs.1.slug"
    );
    many["variables"]["inputs"][1]["slug"] = json!("free");
    assert_eq!(send(&app, "d", &many).await.code(), "");
    assert_eq!(count(&app).await, 4);
}

#[apply(on_both_databases)]
async fn a_document_with_several_mutations_cannot_have_a_key(database: Database) {
    let app = start!(database);
    let one = r#"createArticle(input: { title: "x", text: "" }) { id }"#;
    let several = [
        format!("mutation {{ a: {one} b: {one} }}"),
        format!("mutation {{ ...F a: {one} }} fragment F on Mutation {{ b: {one} }}"),
        format!("mutation {{ ... @include(if: true) {{ a: {one} }} b: {one} }}"),
    ];
    for query in several {
        let request = json!({ "query": query, "extensions": { "idempotencyKey": "a" } });
        for transport in Transport::FOR_MUTATIONS {
            let answer = transport.ask(&app.url("/graphql"), &request).await;
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_eq!(code, "BAD_REQUEST", "{answer}");
        }
        let rejected = send(&app, "a", &json!({ "query": query })).await;
        assert_eq!(
            (rejected.status, rejected.code().as_str()),
            (400, "BAD_REQUEST"),
            "{rejected}"
        );
    }
    assert_eq!(count(&app).await, 0);
    // These have one, or none.
    for query in [
        format!(
            "mutation {{ a: {one} a: {one} ... @skip(if: true) {{ b: {one} }} name: __typename }}"
        ),
        "mutation { __typename }".to_owned(),
        format!("mutation {{ ... @skip(if: true) {{ b: {one} }} }}"),
        format!("mutation A {{ {one} }} mutation B {{ a: {one} b: {one} }}"),
    ] {
        let request =
            json!({ "query": query, "operationName": query.contains("mutation A").then_some("A") });
        let answer = send(&app, &format!("key {}", query.len()), &request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (200, ""),
            "{answer}"
        );
    }
    assert_eq!(count(&app).await, 2);
}

#[apply(on_both_databases)]
async fn an_invalid_key_is_rejected_and_nothing_is_executed(database: Database) {
    let app = start!(database);
    let long = "x".repeat(256);
    for key in [
        json!(""),
        json!(long),
        json!("é"),
        json!("a\u{0}"),
        json!(7),
        json!(["a"]),
    ] {
        let mut request = create("No");
        request["extensions"] = json!({ "idempotencyKey": key });
        for transport in Transport::FOR_MUTATIONS {
            let answer = transport.ask(&app.url("/graphql"), &request).await;
            assert_eq!(
                answer["errors"][0]["extensions"]["code"], "BAD_REQUEST",
                "{key} {answer}"
            );
        }
    }
    let rejected = send(&app, &long, &create("No")).await;
    assert_eq!(
        (rejected.status, rejected.code().as_str()),
        (400, "BAD_REQUEST")
    );
    assert_eq!(
        rejected.json()["errors"][0]["message"],
        "the header Idempotency-Key must have 1 to 255 printable ASCII characters; a random UUID is a good key"
    );
    assert_eq!(send(&app, "", &create("No")).await.code(), "BAD_REQUEST");
    assert_eq!(count(&app).await, 0);
    let longest = "x".repeat(255);
    assert_eq!(send(&app, &longest, &create("Yes")).await.code(), "");
}

#[apply(on_both_databases)]
async fn queries_ignore_a_key(database: Database) {
    let app = start!(database);
    let count_articles = json!({ "query": "{ articles { id } }" });
    for key in ["a", "a", ""] {
        let answer = send(&app, key, &count_articles).await;
        assert_eq!((answer.status, is_replayed(&answer)), (200, false));
    }
    assert_eq!(send(&app, "a", &create("First use")).await.code(), "");
    let answer = send(&app, "a", &count_articles).await;
    assert_eq!(
        answer.json()["data"]["articles"].as_array().map(Vec::len),
        Some(1)
    );
}

#[apply(on_both_databases)]
async fn a_mutation_by_get_is_rejected_even_with_a_key(database: Database) {
    let app = start!(database);
    let url =
        app.url("/graphql?query=mutation{createArticle(input:{title:%22a%22,text:%22%22}){id}}");
    for key in ["a", ""] {
        let answer = Answer::to(client().get(&url).header("idempotency-key", key)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
    }
    assert_eq!(count(&app).await, 0);
}

#[apply(on_both_databases)]
async fn in_the_sandbox_keys_last_as_long_as_the_articles(database: Database) {
    let app = start!(database, "--db-force-roll-back");
    let first = send(&app, "a", &create("Sand")).await;
    assert_eq!(first.code(), "", "{first}");
    let again = send(&app, "a", &create("Sand")).await;
    assert_eq!((is_replayed(&again), again.body), (true, first.body));
    assert_eq!(
        send(&app, "a", &create("Other")).await.code(),
        "IDEMPOTENCY_KEY_REUSED"
    );
    let list: Value = app.get("/api/v1/articles/").await.json();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
}
