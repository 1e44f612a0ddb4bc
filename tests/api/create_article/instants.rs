//! The time of creation that a client gives.

use rstest_reuse::apply;
use serde_json::json;

use super::created;
use crate::support::{Answer, Database, TestApp, assert_answer, on_both_databases, start};

#[apply(on_both_databases)]
async fn instants_are_read_with_any_offset_and_cut_to_microseconds(database: Database) {
    let app = start!(database);
    for (given, kept) in [
        ("2020-01-01T00:00:00+14:00", "2019-12-31T10:00:00.000000Z"),
        ("2020-01-01T00:00:00-12:00", "2020-01-01T12:00:00.000000Z"),
        (
            "2020-01-01T00:00:00.1234567Z",
            "2020-01-01T00:00:00.123456Z",
        ),
        (
            "2020-01-01T00:00:00.999999999Z",
            "2020-01-01T00:00:00.999999Z",
        ),
        (
            "1969-12-31T23:59:59.9999999Z",
            "1969-12-31T23:59:59.999999Z",
        ),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        (
            "9999-12-31T23:59:59.9999999Z",
            "9999-12-31T23:59:59.999999Z",
        ),
        ("2020-01-01t00:00:00z", "2020-01-01T00:00:00.000000Z"),
    ] {
        let answer = app
            .create(json!({ "title": "a", "text": "", "createdAt": given }))
            .await;
        let id = created(&answer)["id"].as_str().unwrap().to_owned();
        let query = format!("{{ article(by: {{ id: \"{id}\" }}) {{ createdAt }} }}");
        assert_eq!(
            app.query(&query).await.json()["data"]["article"]["createdAt"],
            kept,
            "{given}"
        );
    }
}

#[apply(on_both_databases)]
async fn instants_before_year_1_or_after_year_9999_are_rejected(database: Database) {
    let app = start!(database);
    let answer = create_at(&app, "0001-01-01T00:00:00+00:01").await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "expected an instant between the years 1 and 9999 (UTC)",
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
            "code": "BAD_USER_INPUT",
            "field": "input.createdAt"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    for instant in ["0000-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01"] {
        let other = create_at(&app, instant).await;
        assert_eq!(other.body, answer.body, "{instant}");
    }
}

#[apply(on_both_databases)]
async fn an_invalid_instant_is_rejected(database: Database) {
    let app = start!(database);
    let answer = create_at(&app, "yesterday").await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "expected an RFC 3339 instant such as 2026-01-31T09:30:00.123456Z",
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
            "code": "BAD_USER_INPUT",
            "field": "input.createdAt"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    for text in [
        "",
        "2020-01-01",
        "2020-01-01T00:00:00",
        "2020-02-30T00:00:00Z",
        "1577836800",
        "2020-01-01T24:00:00Z",
    ] {
        let other = create_at(&app, text).await;
        assert_eq!(other.body, answer.body, "{text}");
    }
}

async fn create_at(app: &TestApp, created_at: &str) -> Answer {
    app.create(json!({ "title": "a", "text": "", "createdAt": created_at }))
        .await
}
