//! The query `article`.

use rstest_reuse::apply;

use super::{FIELDS, create};
use crate::support::{Database, article, assert_answer, on_both_databases, start};

#[apply(on_both_databases)]
async fn an_article_is_found_by_its_id_in_any_form_of_a_uuid(database: Database) {
    let app = start!(database);
    let new = article("First", None, Some("2020-02-29T00:00:00Z"));
    let id = app.store.create_article(new).await.unwrap().id;
    let by_id = format!("{{ article(by: {{ id: \"{id}\" }}) {FIELDS} }}");
    let answer = app.query(&by_id).await;
    assert_answer!(answer, @r#"
    {
      "data": {
        "article": {
          "id": "019c1363-49c0-7000-8000-000000000001",
          "title": "First",
          "slug": "first",
          "text": "About First.",
          "createdAt": "2020-02-29T00:00:00.000000Z",
          "updatedAt": "2026-01-31T09:30:00.000000Z",
          "version": 1
        }
      }
    }
    "#);
    let simple = id.to_string().to_uppercase().replace('-', "");
    let by_simple_id = by_id.replace(&id.to_string(), &simple);
    assert_eq!(app.query(&by_simple_id).await.body, answer.body);
}

#[apply(on_both_databases)]
async fn an_article_is_found_by_its_slug_which_is_compared_exactly(database: Database) {
    let app = start!(database);
    for slug in ["Test slug", "test slug", "Été"] {
        create(&app, slug, slug, "2026-01-31T09:30:00Z").await;
    }
    let answer = app
        .query(
            r#"{
                capital: article(by: { slug: "Test slug" }) { title }
                small: article(by: { slug: "test slug" }) { title }
                accents: article(by: { slug: "Été" }) { title }
                none: article(by: { slug: "TEST SLUG" }) { title }
            }"#,
        )
        .await;
    assert_answer!(answer, @r#"
    {
      "data": {
        "capital": {
          "title": "Test slug"
        },
        "small": {
          "title": "test slug"
        },
        "accents": {
          "title": "Été"
        },
        "none": null
      }
    }
    "#);
}

#[apply(on_both_databases)]
async fn a_missing_article_is_null(database: Database) {
    let app = start!(database);
    let answer = app
        .query(
            r#"{
                id: article(by: { id: "0190163d-8694-739b-aea5-966c26f8ad91" }) { id }
                noUuid: article(by: { id: "1" }) { id }
                empty: article(by: { id: "" }) { id }
                nul: article(by: { id: "\u0000" }) { id }
                slug: article(by: { slug: "none" }) { id }
                emptySlug: article(by: { slug: "" }) { id }
            }"#,
        )
        .await;
    assert_answer!(answer, @r#"
    {
      "data": {
        "id": null,
        "noUuid": null,
        "empty": null,
        "nul": null,
        "slug": null,
        "emptySlug": null
      }
    }
    "#);
}

#[apply(on_both_databases)]
async fn a_nul_character_in_a_requested_slug_is_rejected(database: Database) {
    let app = start!(database);
    let answer = app
        .query(r#"{ article(by: { slug: "a\u0000b" }) { id } }"#)
        .await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "slug must not contain a NUL character (U+0000)",
          "locations": [
            {
              "line": 1,
              "column": 3
            }
          ],
          "path": [
            "article"
          ],
          "extensions": {
            "code": "BAD_USER_INPUT",
            "field": "by.slug"
          }
        }
      ],
      "data": {
        "article": null
      }
    }
    "#);
}

#[apply(on_both_databases)]
async fn an_article_is_requested_by_exactly_one_of_id_and_slug(database: Database) {
    let app = start!(database);
    for by in [
        "{}",
        r#"{ id: "1", slug: "a" }"#,
        r#"{ id: "1", slug: null }"#,
    ] {
        let answer = app
            .query(&format!("{{ article(by: {by}) {{ id }} }}"))
            .await;
        assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED", "{by}: {answer}");
    }
}
