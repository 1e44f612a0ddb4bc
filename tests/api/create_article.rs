//! The mutation `createArticle`: how it converts values, and which it rejects.

mod instants;
mod lengths;
mod slugs;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Answer, Database, assert_answer, on_both_databases, start};

#[apply(on_both_databases)]
async fn an_article_is_created_and_returned(database: Database) {
    let app = start!(database);
    let input = json!({
        "title": "Hello", "slug": "Test slug", "text": "World\n", "createdAt": "2020-02-29T12:00:00.5+02:00",
    });
    assert_answer!(app.create(input).await, @r#"
    {
      "data": {
        "createArticle": {
          "id": "019c1363-49c0-7000-8000-000000000001",
          "title": "Hello",
          "slug": "Test slug",
          "text": "World\n",
          "createdAt": "2020-02-29T10:00:00.500000Z",
          "updatedAt": "2026-01-31T09:30:00.000000Z",
          "version": 1
        }
      }
    }
    "#);
}

#[apply(on_both_databases)]
async fn title_and_text_are_enough(database: Database) {
    let app = start!(database);
    let answer = app
        .create(json!({ "title": " Hello, World! ", "text": "" }))
        .await;
    assert_answer!(answer, @r#"
    {
      "data": {
        "createArticle": {
          "id": "019c1363-49c0-7000-8000-000000000001",
          "title": " Hello, World! ",
          "slug": "hello-world",
          "text": "",
          "createdAt": "2026-01-31T09:30:00.000000Z",
          "updatedAt": "2026-01-31T09:30:00.000000Z",
          "version": 1
        }
      }
    }
    "#);
}

#[apply(on_both_databases)]
async fn null_means_not_given(database: Database) {
    let app = start!(database);
    let null = app
        .create(json!({ "title": "a", "text": "", "slug": null, "createdAt": null }))
        .await;
    assert_eq!(created(&null)["slug"], "a");
    assert_eq!(created(&null)["createdAt"], "2026-01-31T09:30:00.000000Z");
    let query = "mutation($slug: String, $createdAt: DateTime) \
        { createArticle(input: { title: \"b\", text: \"\", slug: $slug, createdAt: $createdAt }) { slug createdAt } }";
    let left_out = app.query(query).await;
    assert_eq!(created(&left_out)["slug"], "b");
    assert_eq!(
        created(&left_out)["createdAt"],
        "2026-01-31T09:30:00.000000Z"
    );
}

#[apply(on_both_databases)]
async fn title_and_text_are_required(database: Database) {
    let app = start!(database);
    for input in [
        json!({ "text": "" }),
        json!({ "title": "a" }),
        json!({ "title": null, "text": "" }),
    ] {
        let answer = app.create(input.clone()).await;
        assert!(answer.json()["data"].is_null(), "{input}: {answer}");
    }
    assert_eq!(app.get("/api/v1/articles/").await.body, "[]\n");
}

#[apply(on_both_databases)]
async fn each_call_uses_its_own_time(database: Database) {
    let app = start!(database);
    let first = app.create(json!({ "title": "a", "text": "" })).await;
    app.at("2026-01-31T09:30:00.000001Z");
    let second = app.create(json!({ "title": "b", "text": "" })).await;
    assert_eq!(created(&first)["createdAt"], "2026-01-31T09:30:00.000000Z");
    assert_eq!(created(&second)["createdAt"], "2026-01-31T09:30:00.000001Z");
    assert_eq!(created(&second)["updatedAt"], "2026-01-31T09:30:00.000001Z");
}

#[apply(on_both_databases)]
async fn a_response_has_the_results_of_succeeding_and_failing_mutations(database: Database) {
    let app = start!(database);
    let answer = app
        .query(
            r#"mutation {
                first: createArticle(input: { title: "a", slug: "a", text: "" }) { slug }
                second: createArticle(input: { title: "b", slug: "a", text: "" }) { slug }
                third: createArticle(input: { title: "", slug: "c", text: "" }) { slug }
                fourth: createArticle(input: { title: "d", slug: "d", text: "" }) { slug }
            }"#,
        )
        .await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "the slug \"a\" belongs to another article",
          "locations": [
            {
              "line": 3,
              "column": 17
            }
          ],
          "path": [
            "second"
          ],
          "extensions": {
            "code": "SLUG_TAKEN",
            "field": "input.slug"
          }
        },
        {
          "message": "title must have 1 to 65 characters, but it is empty",
          "locations": [
            {
              "line": 4,
              "column": 17
            }
          ],
          "path": [
            "third"
          ],
          "extensions": {
            "code": "BAD_USER_INPUT",
            "field": "input.title"
          }
        }
      ],
      "data": {
        "first": {
          "slug": "a"
        },
        "second": null,
        "third": null,
        "fourth": {
          "slug": "d"
        }
      }
    }
    "#);
    let kept = app
        .query("{ articles(orderBy: CREATED_AT_ASC) { slug } }")
        .await;
    assert_eq!(
        kept.body,
        r#"{"data":{"articles":[{"slug":"a"},{"slug":"d"}]}}"#
    );
}

fn created(answer: &Answer) -> Value {
    let article = answer.json()["data"]["createArticle"].take();
    assert!(article.is_object(), "{answer}");
    article
}
