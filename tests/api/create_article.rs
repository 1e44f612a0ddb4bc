//! The mutation `createArticle`: what it makes of the values, and which it refuses.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Answer, Database, TestApp, assert_answer, on_both_databases, start};

#[apply(on_both_databases)]
async fn an_article_is_created_and_answered_whole(database: Database) {
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
async fn the_moment_of_the_call_is_taken_at_each_call(database: Database) {
    let app = start!(database);
    let first = app.create(json!({ "title": "a", "text": "" })).await;
    app.at("2026-01-31T09:30:00.000001Z");
    let second = app.create(json!({ "title": "b", "text": "" })).await;
    assert_eq!(created(&first)["createdAt"], "2026-01-31T09:30:00.000000Z");
    assert_eq!(created(&second)["createdAt"], "2026-01-31T09:30:00.000001Z");
    assert_eq!(created(&second)["updatedAt"], "2026-01-31T09:30:00.000001Z");
}

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
async fn a_title_of_66_characters_is_refused(database: Database) {
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
async fn a_slug_of_0_or_66_characters_is_refused(database: Database) {
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
async fn a_nul_character_is_refused_wherever_it_stands(database: Database) {
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
async fn values_are_kept_to_the_last_character(database: Database) {
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

#[apply(on_both_databases)]
async fn a_slug_that_is_given_is_kept_as_it_is(database: Database) {
    let app = start!(database);
    for slug in ["Test slug", " ", "été", "影師", "a/b?c#d", "-"] {
        let answer = app
            .create(json!({ "title": "a", "slug": slug, "text": "" }))
            .await;
        assert_eq!(created(&answer)["slug"], slug);
    }
}

#[apply(on_both_databases)]
async fn a_slug_that_is_left_out_is_made_from_the_title(database: Database) {
    let app = start!(database);
    let long = format!("{} b", "a".repeat(63));
    for (title, slug) in [
        ("Été à la plage", "ete-a-la-plage"),
        ("  C'est -- la VIE!  ", "c-est-la-vie"),
        ("影師嗎", "ying-shi-ma"),
        ("😀😀", "grinning-grinning"),
        ("Straße", "strasse"),
        ("!!!", "article"),
        (" ", "article-2"),
        (&long, &long.replace(' ', "-")),
    ] {
        assert_eq!(slug_made_of(&app, title).await, slug, "{title:?}");
    }
}

#[apply(on_both_databases)]
async fn a_slug_that_is_made_takes_the_smallest_number_that_is_free(database: Database) {
    let app = start!(database);
    for slug in ["a", "a-2", "a-4"] {
        let answer = app
            .create(json!({ "title": "given", "slug": slug, "text": "" }))
            .await;
        assert_eq!(created(&answer)["slug"], slug);
    }
    for slug in ["a-3", "a-5", "a-6"] {
        assert_eq!(slug_made_of(&app, "A").await, slug);
    }
}

#[apply(on_both_databases)]
async fn numbers_go_on_beyond_those_that_are_looked_up_at_once(database: Database) {
    let app = start!(database);
    assert_eq!(slug_made_of(&app, "b").await, "b");
    for number in 2..60 {
        assert_eq!(slug_made_of(&app, "b").await, format!("b-{number}"));
    }
}

#[apply(on_both_databases)]
async fn a_slug_of_65_characters_is_cut_for_its_number(database: Database) {
    let app = start!(database);
    let title = "a".repeat(65);
    assert_eq!(slug_made_of(&app, &title).await, title);
    for number in 2..10 {
        let slug = format!("{}-{number}", "a".repeat(63));
        assert_eq!(slug_made_of(&app, &title).await, slug);
    }
    assert_eq!(
        slug_made_of(&app, &title).await,
        format!("{}-10", "a".repeat(62))
    );
}

#[apply(on_both_databases)]
async fn a_slug_that_belongs_to_another_article_is_refused(database: Database) {
    let app = start!(database);
    app.create(json!({ "title": "first", "slug": "Taken", "text": "" }))
        .await;
    let answer = app
        .create(json!({ "title": "second", "slug": "Taken", "text": "" }))
        .await;
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "the slug \"Taken\" belongs to another article",
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
            "code": "SLUG_TAKEN",
            "field": "input.slug"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    let other_case = app
        .create(json!({ "title": "third", "slug": "taken", "text": "" }))
        .await;
    assert_eq!(created(&other_case)["slug"], "taken");
}

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
async fn instants_before_year_1_or_after_year_9999_are_refused(database: Database) {
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
async fn a_text_that_is_no_instant_is_refused(database: Database) {
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

#[apply(on_both_databases)]
async fn a_document_is_answered_for_the_mutations_that_succeed_and_those_that_fail(
    database: Database,
) {
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

async fn slug_made_of(app: &TestApp, title: &str) -> String {
    let answer = app.create(json!({ "title": title, "text": "" })).await;
    created(&answer)["slug"].as_str().unwrap().to_owned()
}

async fn create_at(app: &TestApp, created_at: &str) -> Answer {
    app.create(json!({ "title": "a", "text": "", "createdAt": created_at }))
        .await
}
