//! The lengths of titles and slugs, and the characters that values must not have.

use rstest_reuse::apply;
use serde_json::json;

use super::created;
use crate::support::{Database, assert_answer, on_both_databases, start};

#[apply(on_both_databases)]
async fn a_title_of_65_characters_of_four_bytes_passes(database: Database) {
    let app = start!(database);
    let title = "😀".repeat(65);
    let answer = app
        .create(json!({ "title": title, "slug": title, "text": "" }))
        .await;
    assert_eq!(created(&answer)["title"], title);
    assert_eq!(created(&answer)["slug"], title);
}

#[apply(on_both_databases)]
async fn a_title_of_66_characters_is_rejected(database: Database) {
    let app = start!(database);
    let answer = app
        .create(json!({ "title": "😀".repeat(66), "text": "" }))
        .await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "title must have 1 to 65 characters, but it has 66",
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
            "field": "input.title"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    let answer = app.create(json!({ "title": "", "text": "" })).await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "title must have 1 to 65 characters, but it is empty",
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
            "field": "input.title"
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
async fn a_slug_of_0_or_66_characters_is_rejected(database: Database) {
    let app = start!(database);
    let answer = app
        .create(json!({ "title": "a", "slug": "é".repeat(66), "text": "" }))
        .await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "slug must have 1 to 65 characters, but it has 66",
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
            "field": "input.slug"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    let answer = app
        .create(json!({ "title": "a", "slug": "", "text": "" }))
        .await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "slug must have 1 to 65 characters, but it is empty",
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
            "field": "input.slug"
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
async fn a_nul_character_is_rejected_anywhere(database: Database) {
    let app = start!(database);
    let answer = app.create(json!({ "title": "a\0", "text": "" })).await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "title must not contain a NUL character (U+0000)",
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
            "field": "input.title"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    let answer = app
        .create(json!({ "title": "a", "slug": "\0", "text": "" }))
        .await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "slug must not contain a NUL character (U+0000)",
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
            "field": "input.slug"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    let answer = app.create(json!({ "title": "a", "text": "a\0b" })).await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "text must not contain a NUL character (U+0000)",
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
            "field": "input.text"
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
async fn values_are_stored_exactly(database: Database) {
    let app = start!(database);
    for title in [
        " \t\n",
        "O'Brien \"; DROP TABLE article; --",
        "\u{feff}\u{200b}\u{10ffff}",
        "%_\\",
    ] {
        let text = format!("{title}{}", "é\r\n".repeat(10_000));
        let answer = app
            .create(json!({ "title": title, "slug": title, "text": text }))
            .await;
        let id = created(&answer)["id"].as_str().unwrap().to_owned();
        let query = format!("{{ article(by: {{ id: \"{id}\" }}) {{ title slug text }} }}");
        let read = app.query(&query).await.json();
        assert_eq!(
            read["data"]["article"],
            json!({ "title": title, "slug": title, "text": text })
        );
    }
}
