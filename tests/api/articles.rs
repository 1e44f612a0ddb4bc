//! The queries `article` (in `articles/one.rs`) and `articles`.

mod one;

use rstest_reuse::apply;
use serde_json::json;

use crate::support::{Database, TestApp, article, assert_answer, on_both_databases, start};

const FIELDS: &str = "{ id title slug text createdAt updatedAt version }";

#[apply(on_both_databases)]
async fn articles_come_newest_first_and_ties_are_broken_by_id(database: Database) {
    let app = start!(database);
    create_five(&app).await;
    let answer = app.query("{ articles { title createdAt } }").await;
    assert_answer!(answer, @r#"
    {
      "data": {
        "articles": [
          {
            "title": "Newest",
            "createdAt": "2026-01-03T00:00:00.000001Z"
          },
          {
            "title": "Tie 3",
            "createdAt": "2026-01-02T00:00:00.000000Z"
          },
          {
            "title": "Tie 2",
            "createdAt": "2026-01-02T00:00:00.000000Z"
          },
          {
            "title": "Tie 1",
            "createdAt": "2026-01-02T00:00:00.000000Z"
          },
          {
            "title": "Oldest",
            "createdAt": "0001-01-01T00:00:00.000000Z"
          }
        ]
      }
    }
    "#);
    let oldest_first = app
        .query("{ articles(orderBy: CREATED_AT_ASC) { title createdAt } }")
        .await;
    let mut reversed = oldest_first.json()["data"]["articles"]
        .as_array()
        .unwrap()
        .clone();
    reversed.reverse();
    assert_eq!(
        answer.json()["data"]["articles"],
        serde_json::Value::from(reversed)
    );
}

#[apply(on_both_databases)]
async fn limit_and_offset_select_a_part_of_the_list(database: Database) {
    let app = start!(database);
    create_five(&app).await;
    let answer = app
        .query(
            "{
                first: articles(limit: 2) { title }
                next: articles(limit: 2, offset: 2) { title }
                last: articles(limit: 100, offset: 4) { title }
                beyond: articles(offset: 5) { title }
                farBeyond: articles(offset: 2147483647) { title }
                oldest: articles(limit: 1, orderBy: CREATED_AT_ASC) { title }
            }",
        )
        .await;
    assert_answer!(answer, @r#"
    {
      "data": {
        "first": [
          {
            "title": "Newest"
          },
          {
            "title": "Tie 3"
          }
        ],
        "next": [
          {
            "title": "Tie 2"
          },
          {
            "title": "Tie 1"
          }
        ],
        "last": [
          {
            "title": "Oldest"
          }
        ],
        "beyond": [],
        "farBeyond": [],
        "oldest": [
          {
            "title": "Oldest"
          }
        ]
      }
    }
    "#);
}

#[apply(on_both_databases)]
async fn a_response_has_its_fields_in_the_order_of_the_document(database: Database) {
    let app = start!(database);
    create_five(&app).await;
    let fields: Vec<String> = (0..20)
        .map(|number| {
            format!(
                "f{number}: articles(limit: {}) {{ version }}",
                100 - number * 5
            )
        })
        .collect();
    let answer = app.query(&format!("{{ {} }}", fields.join(" "))).await;
    let places = (0..20).map(|number| answer.body.find(&format!("\"f{number}\":")).unwrap());
    assert!(places.is_sorted(), "{answer}");
}

#[apply(on_both_databases)]
async fn a_fragment_that_contains_itself_is_rejected(database: Database) {
    let app = start!(database);
    let answer = app.query("{ ...f } fragment f on Query { ...f }").await;
    assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED", "{answer}");
}

#[apply(on_both_databases)]
async fn a_list_without_a_limit_has_twenty_articles(database: Database) {
    let app = start!(database);
    for number in 0..21 {
        create(
            &app,
            &format!("{number}"),
            &format!("{number}"),
            "2026-01-31T09:30:00Z",
        )
        .await;
    }
    for query in [
        "{ articles { id } }",
        "{ articles(limit: 20, offset: 1) { id } }",
    ] {
        let answer = app.query(query).await.json();
        assert_eq!(answer["data"]["articles"].as_array().unwrap().len(), 20);
    }
}

/// Apollo's `relayStylePagination` sends the null cursor of an empty page as an empty text.
#[apply(on_both_databases)]
async fn an_empty_cursor_counts_as_absent(database: Database) {
    let app = start!(database);
    create_five(&app).await;
    let query = "query($after: String, $before: String, $first: Int, $last: Int) { \
        articlesConnection(after: $after, before: $before, first: $first, last: $last) { \
        nodes { slug } pageInfo { hasNextPage hasPreviousPage } } }";
    for (with, without) in [
        (json!({ "after": "", "first": 2 }), json!({ "first": 2 })),
        (json!({ "before": "", "last": 2 }), json!({ "last": 2 })),
        (
            json!({ "after": "", "before": "", "last": 3 }),
            json!({ "last": 3 }),
        ),
    ] {
        let ask = async |variables| {
            let request = json!({ "query": query, "variables": variables });
            app.graphql(&request).await.json()
        };
        let answer = ask(with).await;
        assert_eq!(answer["errors"], json!(null), "{answer}");
        assert_eq!(answer, ask(without).await);
    }
}

#[apply(on_both_databases)]
async fn a_limit_outside_1_to_100_and_a_negative_offset_are_rejected(database: Database) {
    let app = start!(database);
    let answer = app.query("{ articles(limit: 0) { id } }").await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "limit must be 1 to 100, but it is 0",
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
            "code": "BAD_USER_INPUT",
            "field": "limit"
          }
        }
      ],
      "data": null
    }
    "#);
    let answer = app.query("{ articles(limit: 101) { id } }").await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "limit must be 1 to 100, but it is 101",
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
            "code": "BAD_USER_INPUT",
            "field": "limit"
          }
        }
      ],
      "data": null
    }
    "#);
    let answer = app.query("{ articles(offset: -1) { id } }").await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "offset must be at least 0, but it is -1",
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
            "code": "BAD_USER_INPUT",
            "field": "offset"
          }
        }
      ],
      "data": null
    }
    "#);
}

#[apply(on_both_databases)]
async fn an_absent_variable_means_the_default(database: Database) {
    let app = start!(database);
    create_five(&app).await;
    let answer = app
        .query(
            "query($limit: Int, $offset: Int, $orderBy: ArticleOrder) \
            { articles(limit: $limit, offset: $offset, orderBy: $orderBy) { title } }",
        )
        .await;
    let expected = app.query("{ articles { title } }").await;
    assert_eq!(answer.body, expected.body);
}

#[apply(on_both_databases)]
async fn only_selected_fields_are_returned(database: Database) {
    let app = start!(database);
    create_five(&app).await;
    for field in [
        "id",
        "title",
        "slug",
        "text",
        "createdAt",
        "updatedAt",
        "version",
    ] {
        let query = format!(
            "{{ articles(limit: 5) {{ alias: {field} ...f }} }} fragment f on Article {{ {field} }}"
        );
        let answer = app.query(&query).await.json();
        let whole = app
            .query(&format!("{{ articles(limit: 5) {FIELDS} }}"))
            .await
            .json();
        for index in 0..5 {
            let expected = &whole["data"]["articles"][index][field];
            assert_eq!(
                &answer["data"]["articles"][index]["alias"], expected,
                "{query}"
            );
            assert_eq!(
                &answer["data"]["articles"][index][field], expected,
                "{query}"
            );
        }
    }
}

/// Five articles, three of which are from the same moment.
async fn create_five(app: &TestApp) {
    for (title, created_at) in [
        ("Tie 1", "2026-01-02T00:00:00Z"),
        ("Newest", "2026-01-03T00:00:00.000001Z"),
        ("Tie 2", "2026-01-02T00:00:00Z"),
        ("Oldest", "0001-01-01T00:00:00Z"),
        ("Tie 3", "2026-01-02T00:00:00Z"),
    ] {
        create(app, title, title, created_at).await;
    }
}

async fn create(app: &TestApp, title: &str, slug: &str, created_at: &str) {
    let new = article(title, Some(slug), Some(created_at));
    app.store.create_article(new).await.unwrap();
}
