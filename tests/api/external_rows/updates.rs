//! Updating and deleting such articles through the API.

use futures_util::future::join;
use rstest_reuse::apply;
use serde_json::json;

use super::{id, insert, rows, stored_before, with_rows};
use crate::support::{Answer, Database, TestApp, assert_answer, on_both_databases};

async fn update(
    app: &TestApp,
    number: u8,
    input: serde_json::Value,
    expected: Option<i32>,
) -> Answer {
    let query = "mutation($id: ID!, $input: UpdateArticleInput!, $expected: Int) {
        updateArticle(id: $id, input: $input, expectedVersion: $expected) { slug createdAt version }
    }";
    let variables = json!({ "id": id(number), "input": input, "expected": expected });
    app.graphql(&json!({ "query": query, "variables": variables }))
        .await
}

#[apply(on_both_databases)]
async fn an_article_that_has_the_last_version_is_not_updated_but_deleted(database: Database) {
    let (instant, high) = match database {
        Database::Sqlite => ("1577836800000000", ["2147483647", "5000000000"]),
        Database::Postgres => ("'2020-01-01Z'", ["2147483647", "2147483646"]),
    };
    for high in high {
        let row = (1, "'high'", "'high'", "''", instant, instant, high);
        let other = (2, "'other'", "'other'", "''", instant, instant, "1");
        let sql = insert(database, &row) + &insert(database, &other);
        let Some(own) = stored_before(database, &sql).await else {
            return;
        };
        let app = TestApp::start_on(&own, &[]).await;
        let text = || json!({ "text": "x" });
        let shown: i32 = high.parse().unwrap_or(i32::MAX);
        for expected in [None, Some(shown)] {
            let (rejected, others) = join(
                update(&app, 1, text(), expected),
                update(&app, 2, text(), None),
            )
            .await;
            assert_answer!(rejected, @r#"
            {
              "errors": [
                {
                  "message": "this article has version 2147483646 or above, which is the last one, so it can no longer be updated; delete it and create it again",
                  "locations": [
                    {
                      "line": 2,
                      "column": 9
                    }
                  ],
                  "path": [
                    "updateArticle"
                  ],
                  "extensions": {
                    "code": "BAD_USER_INPUT",
                    "field": "id"
                  }
                }
              ],
              "data": {
                "updateArticle": null
              }
            }
            "#);
            assert_eq!(others.code(), "", "{others}");
        }
        let conflict = update(&app, 1, text(), Some(7)).await.json();
        let extensions = &conflict["errors"][0]["extensions"];
        assert_eq!(
            extensions,
            &json!({ "code": "VERSION_CONFLICT", "currentVersion": shown })
        );
        let delete = format!(
            "mutation {{ deleteArticle(id: \"{}\", expectedVersion: {shown}) {{ version }} }}",
            id(1)
        );
        let deleted = app.query(&delete).await.json();
        assert_eq!(
            deleted["data"]["deleteArticle"]["version"], shown,
            "{deleted}"
        );
    }
}

#[apply(on_both_databases)]
async fn the_last_version_can_be_reached(database: Database) {
    let instant = match database {
        Database::Sqlite => "1577836800000000",
        Database::Postgres => "'2020-01-01Z'",
    };
    let row = (1, "'high'", "'high'", "''", instant, instant, "2147483645");
    let Some(own) = stored_before(database, &insert(database, &row)).await else {
        return;
    };
    let app = TestApp::start_on(&own, &[]).await;
    let updated = update(&app, 1, json!({ "text": "x" }), None).await.json();
    assert_eq!(
        updated["data"]["updateArticle"]["version"], 2_147_483_646,
        "{updated}"
    );
    let rejected = update(&app, 1, json!({ "text": "y" }), None).await;
    assert_eq!(rejected.code(), "BAD_USER_INPUT", "{rejected}");
    // An external writer must not exceed it either.
    let raised = own.sql_error("UPDATE article SET title = 'other'").await;
    assert!(raised.contains("version"), "{raised}");
}

#[apply(on_both_databases)]
async fn an_update_makes_such_a_row_valid(database: Database) {
    let Some(own) = with_rows(database).await else {
        return;
    };
    let app = TestApp::start_on(&own, &[]).await;
    for row in rows(database) {
        if row.6 != "1" {
            continue;
        }
        let edit = json!({ "title": format!("new {}", row.0), "slug": format!("new-{}", row.0), "text": "x" });
        let before = app
            .query(&format!(
                "{{ article(by: {{ id: \"{}\" }}) {{ createdAt }} }}",
                id(row.0)
            ))
            .await
            .json();
        let updated = update(&app, row.0, edit, Some(1)).await.json();
        assert_eq!(
            updated["data"]["updateArticle"],
            json!({
                "slug": format!("new-{}", row.0),
                "createdAt": before["data"]["article"]["createdAt"],
                "version": 2,
            }),
            "{updated}"
        );
        let again = update(&app, row.0, json!({ "text": "y" }), Some(2))
            .await
            .json();
        assert_eq!(again["data"]["updateArticle"]["version"], 3, "{again}");
    }
}

#[apply(on_both_databases)]
async fn an_external_writer_can_repair_such_a_row(database: Database) {
    let Some(own) = with_rows(database).await else {
        return;
    };
    let instant = match database {
        Database::Sqlite => "1577836800000000",
        Database::Postgres => "'2020-01-01Z'",
    };
    own.execute(&format!(
        "UPDATE article SET title = 'title', text = '', created_at = {instant}, updated_at = {instant},
         version = CASE WHEN version > 1 THEN 5 ELSE 2 END"
    ))
    .await;
    let app = TestApp::start_on(&own, &[]).await;
    let list = "{ articles(limit: 100) { title createdAt version } }";
    let answer = app.query(list).await.json();
    for article in answer["data"]["articles"].as_array().unwrap() {
        assert_eq!(article["title"], "title");
        assert_eq!(article["createdAt"], "2020-01-01T00:00:00.000000Z");
        assert!(article["version"].as_i64().unwrap() <= 5, "{article}");
    }
}
