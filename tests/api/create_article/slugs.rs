//! The slug of a new article: as given, or made from the title.

use rstest_reuse::apply;
use serde_json::json;

use super::created;
use crate::support::{Database, TestApp, assert_answer, on_both_databases, start};

#[apply(on_both_databases)]
async fn a_given_slug_is_unchanged(database: Database) {
    let app = start!(database);
    for slug in ["Test slug", " ", "été", "影師", "a/b?c#d", "-"] {
        let answer = app
            .create(json!({ "title": "a", "slug": slug, "text": "" }))
            .await;
        assert_eq!(created(&answer)["slug"], slug);
    }
}

#[apply(on_both_databases)]
async fn an_omitted_slug_is_generated_from_the_title(database: Database) {
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
async fn a_generated_slug_gets_the_smallest_free_number(database: Database) {
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
async fn numbers_continue_beyond_one_search_batch(database: Database) {
    let app = start!(database);
    assert_eq!(slug_made_of(&app, "b").await, "b");
    for number in 2..60 {
        assert_eq!(slug_made_of(&app, "b").await, format!("b-{number}"));
    }
}

#[apply(on_both_databases)]
async fn a_slug_of_65_characters_is_shortened_for_its_number(database: Database) {
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
async fn a_slug_that_belongs_to_another_article_is_rejected(database: Database) {
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

async fn slug_made_of(app: &TestApp, title: &str) -> String {
    let answer = app.create(json!({ "title": title, "text": "" })).await;
    created(&answer)["slug"].as_str().unwrap().to_owned()
}
