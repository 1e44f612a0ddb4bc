//! Errors that the client did not cause: what the response reveals, and what it does not.

use std::time::Duration;

use rstest_reuse::apply;
use serde_json::json;
use tokio::time::timeout;

use crate::support::{Answer, Database, assert_answer, client, on_both_databases, start};
use crate::transports::Transport;

#[apply(on_both_databases)]
async fn internal_errors_have_the_same_message_on_every_transport(database: Database) {
    let app = start!(database);
    let cursor = app.query("{ articleChangesCursor }").await.json();
    let cursor = &cursor["data"]["articleChangesCursor"];
    app.create(json!({ "title": "a", "text": "" })).await;
    app.database
        .execute("ALTER TABLE article_change RENAME COLUMN kind TO sort")
        .await;
    app.database
        .execute("ALTER TABLE feed RENAME TO feeds")
        .await;
    // At the end of the test, because SQLite cannot rename a table while triggers refer to one that is missing.
    app.database.execute("DROP TABLE article").await;
    let create = "mutation { createArticle(input: { title: \"a\", text: \"\" }) { id } }";
    let follow = "subscription($after: String) { articleChanges(after: $after) { kind } }";
    let follow = json!({ "query": follow, "variables": { "after": cursor } });
    let requests: [(_, &[Transport]); 4] = [
        (json!({ "query": "{ articles { id } }" }), &Transport::ALL),
        (
            json!({ "query": "{ articleChangesCursor }" }),
            &Transport::ALL,
        ),
        (json!({ "query": create }), &Transport::FOR_MUTATIONS),
        (follow, &Transport::FOR_SUBSCRIPTIONS),
    ];
    let expected = json!({ "code": "INTERNAL", "requestId": "the-request-id" });
    for (request, transports) in requests {
        for transport in transports {
            let answer = transport.ask(&app.url("/graphql"), &request).await;
            let error = &answer["errors"][0];
            assert_eq!(error["extensions"], expected, "{transport:?} {answer}");
            let message = "something went wrong on our side; tell us the request id";
            assert_eq!(error["message"], message, "{transport:?}");
        }
    }
}

#[apply(on_both_databases)]
async fn an_internal_error_shows_the_request_id_and_nothing_of_the_database(database: Database) {
    let app = start!(database);
    app.database.execute("DROP TABLE article").await;
    let request = client()
        .post(app.url("/graphql"))
        .header("x-request-id", "find-me");
    assert_answer!(Answer::to(request.json(&json!({ "query": "{ articles { id } }" }))).await, @r#"
    {
      "errors": [
        {
          "message": "something went wrong on our side; tell us the request id",
          "locations": [
            {
              "line": 1,
              "column": 3
            }
          ],
          "path": [
            "articles"
          ],
          "extensions": {
            "code": "INTERNAL",
            "requestId": "find-me"
          }
        }
      ],
      "data": null
    }
    "#);
    let request = client()
        .post(app.url("/graphql"))
        .header("x-request-id", "find-me-too");
    let mutation = r#"mutation { createArticle(input: { title: "a", text: "" }) { id } }"#;
    assert_answer!(Answer::to(request.json(&json!({ "query": mutation }))).await, @r#"
    {
      "errors": [
        {
          "message": "something went wrong on our side; tell us the request id",
          "locations": [
            {
              "line": 1,
              "column": 12
            }
          ],
          "path": [
            "createArticle"
          ],
          "extensions": {
            "code": "INTERNAL",
            "requestId": "find-me-too"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
}

#[apply(on_both_databases)]
async fn waiting_too_long_for_a_connection_is_unavailable(database: Database) {
    let app = start!(
        database,
        "--db-max-size=1",
        "--db-min-size=0",
        "--db-wait-timeout=100ms"
    );
    let lock = app.database.lock_writes().await;
    let create = |title| Box::pin(app.create(json!({ "title": title, "text": "" })));
    // This mutation has the only connection and waits for the lock. It must have the connection before the other
    // mutation arrives, because SQLite executes writes that wait together in one transaction.
    let mut other = create("a");
    let waiting = timeout(Duration::from_millis(500), &mut other).await;
    assert!(waiting.is_err(), "{waiting:?}");
    let rejected = create("b").await;
    assert_answer!(rejected, @r#"
    503
    {
      "errors": [
        {
          "message": "the server cannot reach its database at the moment; try again later",
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
            "code": "UNAVAILABLE"
          }
        }
      ]
    }
    "#);
    assert_eq!(rejected.header("retry-after"), "1");
    // Documents with several fields return the result of each.
    let partly = r#"mutation { a: deleteArticle(id: "no uuid") { id } b: createArticle(input: { title: "b", text: "" }) { id } }"#;
    let partly = Box::pin(app.query(partly)).await;
    assert_eq!(partly.status, 200, "{partly}");
    let codes = ["a", "b"].map(|path| {
        let errors = partly.json()["errors"].take();
        let mut errors = errors.as_array().unwrap().iter();
        let error = errors.find(|error| error["path"] == json!([path]));
        error.unwrap()["extensions"]["code"].clone()
    });
    assert_eq!(codes, ["NOT_FOUND", "UNAVAILABLE"]);
    drop(lock);
    let created = other.await;
    assert_eq!(
        created.json()["data"]["createArticle"]["slug"],
        "a",
        "{created}"
    );
}
