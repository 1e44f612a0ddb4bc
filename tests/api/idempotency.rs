//! Mutations with an `Idempotency-Key`: executed once, however often they are sent.

mod invalid;
mod killed;
mod restarted;

use std::time::Duration;

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Answer, Database, TestApp, assert_answer, client, on_both_databases, start};
use crate::transports::Transport;

/// The response to a request with a key.
async fn send(app: &TestApp, key: &str, request: &Value) -> Answer {
    let request = client().post(app.url("/graphql")).json(request);
    Answer::to(request.header("idempotency-key", key)).await
}

/// A request that creates an article with this title.
fn create(title: &str) -> Value {
    json!({
        "query": "mutation($input: CreateArticleInput!) { createArticle(input: $input) { id slug version } }",
        "variables": { "input": { "title": title, "text": "" } },
    })
}

fn is_replayed(answer: &Answer) -> bool {
    answer
        .headers
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

/// The number of articles.
async fn count(app: &TestApp) -> usize {
    let list = app.get("/api/v1/articles/").await.json();
    list.as_array().unwrap().len()
}

#[apply(on_both_databases)]
async fn the_same_request_gets_the_same_response_and_is_executed_once(database: Database) {
    let app = start!(database);
    let first = send(&app, "a", &create("Once")).await;
    assert!(!is_replayed(&first));
    assert_answer!(first, @r#"
    {
      "data": {
        "createArticle": {
          "id": "019c1363-49c0-7000-8000-000000000001",
          "slug": "once",
          "version": 1
        }
      }
    }
    "#);
    // Later changes of the article do not affect the stored result.
    let rename = "mutation { updateArticle(id: \"019c1363-49c0-7000-8000-000000000001\", input: { slug: \"other\" }) { version } }";
    assert_eq!(app.query(rename).await.code(), "");
    for _ in 0..3 {
        let again = send(&app, "a", &create("Once")).await;
        assert!(is_replayed(&again));
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    assert_eq!(count(&app).await, 1);
    // Another key is another article.
    let other = send(&app, "b", &create("Once")).await;
    assert!(!is_replayed(&other));
    assert_ne!(other.body, first.body);
    assert_eq!(count(&app).await, 2);
}

#[apply(on_both_databases)]
async fn every_mutation_can_be_sent_again(database: Database) {
    let app = start!(database);
    let article = send(&app, "0", &create("Changed")).await.json();
    let id = article["data"]["createArticle"]["id"].as_str().unwrap();
    let many = "mutation($inputs: [CreateArticleInput!]!) { __typename all: createArticles(inputs: $inputs) { slug text } }";
    let inputs = json!([{ "title": "a", "text": "\n\u{1}\"é" }, { "title": "a", "text": "" }]);
    let requests = [
        json!({ "query": many, "variables": { "inputs": inputs } }),
        json!({ "query": many, "variables": { "inputs": [] } }),
        json!({
            "query": "mutation($id: ID!) { updateArticle(id: $id, input: { text: \"new\" }, expectedVersion: 1) { text version updatedAt } }",
            "variables": { "id": id },
        }),
        json!({
            "query": "mutation Delete($id: ID!) { gone: deleteArticle(id: $id) { id: slug title ...Rest } } fragment Rest on Article { version }",
            "variables": { "id": id },
            "operationName": "Delete",
        }),
    ];
    for (number, request) in requests.iter().enumerate() {
        let key = format!("key {number}");
        let first = send(&app, &key, request).await;
        assert_eq!(first.code(), "", "{first}");
        app.at("2026-01-31T10:00:00Z");
        let again = send(&app, &key, request).await;
        assert_eq!((is_replayed(&first), is_replayed(&again)), (false, true));
        assert_eq!(first.body, again.body);
    }
    let list = app.get("/api/v1/articles/").await.json();
    let mut slugs: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["slug"].to_string())
        .collect();
    slugs.sort();
    assert_eq!(slugs, ["\"a\"", "\"a-2\""]);
}

#[apply(on_both_databases)]
async fn concurrent_requests_with_a_key_wait_for_each_other(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let apps = [
        TestApp::start_on(&database, &[]).await,
        TestApp::start_on(&database, &[]).await,
    ];
    for round in 0..10 {
        let title = format!("round {round}");
        let request = create(&title);
        let answers =
            join_all((0..20).map(|number| send(&apps[number % 2], &title, &request))).await;
        let carried_out = answers.iter().filter(|answer| !is_replayed(answer)).count();
        assert_eq!(carried_out, 1, "{}", answers[0]);
        for answer in &answers {
            assert_eq!((answer.status, &answer.body), (200, &answers[0].body));
        }
        assert_eq!(count(&apps[0]).await, round + 1);
    }
}

#[apply(on_both_databases)]
async fn a_client_that_timed_out_retries_and_gets_the_article(database: Database) {
    let app = start!(database);
    let lock = app.database.lock_writes().await;
    let wait = Duration::from_millis(300);
    for _ in 0..3 {
        let request = create("Patience");
        let hung_up = tokio::time::timeout(wait, send(&app, "a", &request)).await;
        assert!(hung_up.is_err());
    }
    drop(lock);
    let answer = send(&app, "a", &create("Patience")).await;
    assert_eq!(answer.code(), "", "{answer}");
    assert!(is_replayed(&answer));
    assert_eq!(count(&app).await, 1);
}

#[apply(on_both_databases)]
async fn a_request_is_the_same_on_every_transport(database: Database) {
    let app = start!(database);
    let url = app.url("/graphql");
    for first in Transport::FOR_MUTATIONS {
        let key = format!("first by {first:?}");
        let mut request = create(&key);
        request["extensions"] = json!({ "idempotencyKey": key });
        let answer = first.ask(&url, &request).await;
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        for again in Transport::FOR_MUTATIONS {
            assert_eq!(
                again.ask(&url, &request).await,
                answer,
                "{first:?} {again:?}"
            );
        }
        // The key in the header is the same key as the one in the extensions.
        assert!(is_replayed(&send(&app, &key, &create(&key)).await));
        let mut other = create("something else");
        other["extensions"] = json!({ "idempotencyKey": key });
        for again in Transport::FOR_MUTATIONS {
            let answer = again.ask(&url, &other).await;
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_eq!(code, "IDEMPOTENCY_KEY_REUSED", "{again:?} {answer}");
        }
    }
    assert_eq!(count(&app).await, 3);
    for is_again in [false, true] {
        let events = client().post(&url).json(&create("By events"));
        let events = events
            .header("accept", "text/event-stream")
            .header("idempotency-key", "events");
        let answer = Answer::to(events).await;
        assert!(answer.body.contains("by-events"), "{answer}");
        assert_eq!(is_replayed(&answer), is_again);
    }
    assert_eq!(count(&app).await, 4);
}

#[apply(on_both_databases)]
async fn the_stored_result_contains_excerpts(database: Database) {
    let app = start!(database);
    let request = json!({
        "query": "mutation($input: CreateArticleInput!, $search: String) {
            createArticle(input: $input) { excerpt(search: $search, length: 50) { text matches { start end } } }
        }",
        "variables": { "input": { "title": "a", "text": "A ferry" }, "search": "ferries" },
    });
    let first = send(&app, "a", &request).await;
    assert_answer!(first, @r#"
    {
      "data": {
        "createArticle": {
          "excerpt": {
            "text": "A ferry",
            "matches": [
              {
                "start": 2,
                "end": 7
              }
            ]
          }
        }
      }
    }
    "#);
    let again = send(&app, "a", &request).await;
    assert_eq!((is_replayed(&again), again.body), (true, first.body));
}

#[apply(on_both_databases)]
async fn stored_results_survive_a_restart(database: Database) {
    let app = start!(database);
    let first = send(&app, "a", &create("Restart")).await;
    let database = app.database.clone();
    app.stop().await;
    let app = TestApp::start_on(&database, &[]).await;
    let again = send(&app, "a", &create("Restart")).await;
    assert_eq!((is_replayed(&again), again.body), (true, first.body));
}

#[apply(on_both_databases)]
async fn a_key_is_free_again_after_it_expires(database: Database) {
    let app = start!(database, "--idempotency-retention=1h");
    let first = send(&app, "a", &create("Hour")).await;
    app.at("2026-01-31T10:29:59.999999Z");
    assert!(is_replayed(&send(&app, "a", &create("Hour")).await));
    app.at("2026-01-31T10:30:00Z");
    let executed_again = send(&app, "a", &create("Hour")).await;
    assert!(!is_replayed(&executed_again));
    assert_ne!(first.body, executed_again.body);
    // The new result is kept for the same time.
    app.at("2026-01-31T11:29:59Z");
    let again = send(&app, "a", &create("Hour")).await;
    assert_eq!(
        (is_replayed(&again), &again.body),
        (true, &executed_again.body)
    );
    // Also for another request.
    app.at("2026-01-31T11:30:00Z");
    assert_eq!(send(&app, "a", &create("Other")).await.code(), "");
    assert_eq!(count(&app).await, 3);
}

#[apply(on_both_databases)]
async fn keys_that_have_expired_are_removed_in_the_background(database: Database) {
    let app = start!(database, "--idempotency-retention=1s");
    assert_eq!(send(&app, "old", &create("Old")).await.code(), "");
    app.at("2026-01-31T09:30:00.5Z");
    assert_eq!(send(&app, "young", &create("Young")).await.code(), "");
    // A copy of the older row is rejected while that row exists.
    let copy = "INSERT INTO idempotency_key (key, request, created_at)
        SELECT key, request, created_at FROM idempotency_key_copy";
    app.database
        .execute(
            "CREATE TABLE idempotency_key_copy AS
                SELECT key, request, created_at FROM idempotency_key ORDER BY created_at LIMIT 1",
        )
        .await;
    assert_ne!(app.database.sql_error(copy).await, "");
    app.at("2026-01-31T09:30:01Z");
    let removed = async {
        while !app.database.sql_error(copy).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), removed)
        .await
        .unwrap();
    assert!(is_replayed(&send(&app, "young", &create("Young")).await));
}
