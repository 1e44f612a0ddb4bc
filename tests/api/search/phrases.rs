//! Phrases, also in texts that have more positions than one `tsvector` of PostgreSQL can hold.

use rstest_reuse::apply;
use serde_json::json;

use super::index::found;
use crate::program::run;
use crate::support::{Database, on_both_databases, start};

#[apply(on_both_databases)]
async fn a_phrase_is_found_anywhere_in_a_long_text(database: Database) {
    let app = start!(database);
    let long = "word ".repeat(19_000);
    for (slug, text) in [
        ("often", "the x ".repeat(255) + "the unicorn"),
        ("long", "the x ".repeat(16_600) + "a b"),
        ("last", format!("{long}the very end")),
        ("none", "the x ".repeat(300) + "x unicorn"),
    ] {
        let created = app
            .create(json!({ "title": slug, "slug": slug, "text": text }))
            .await;
        assert_eq!(created.code(), "", "{created}");
    }
    let phrase = format!("\"{}\"", "the x ".repeat(100));
    let searches = [
        ("\"the unicorn\"", "often"),
        ("\"x the unicorn\"", "often"),
        ("\"unicorn the\"", ""),
        ("the -\"the unicorn\"", "last long none"),
        ("-\"x the\"", "last"),
        ("\"x a b\"", "long"),
        ("\"very end\" or \"x unicorn\"", "last none"),
        ("\"word the very\" end", "last"),
        (phrase.as_str(), "long none often"),
    ];
    let check = async || {
        for (search, expected) in searches {
            assert_eq!(found(&app, search).await, expected, "{search}");
        }
    };
    check().await;
    // The same if the words are computed in the background, and after an update.
    let reindexed = run(&["reindex"], &[("DATABASE_URL", app.database.url.as_str())]).await;
    assert_eq!(reindexed.0, 0, "{reindexed:?}");
    check().await;
    let by_slug = app
        .query("{ article(by: { slug: \"often\" }) { id } }")
        .await;
    let id = by_slug.json()["data"]["article"]["id"].take();
    let update =
        "mutation($id: ID!) { updateArticle(id: $id, input: { title: \"Changed\" }) { version } }";
    let request = json!({ "query": update, "variables": { "id": id } });
    let updated = app.graphql(&request).await;
    assert_eq!(updated.code(), "", "{updated}");
    check().await;
    assert_eq!(found(&app, "changed").await, "often");
    // Changing the slug does not change the words, whoever changes it.
    let update =
        "mutation($id: ID!) { updateArticle(id: $id, input: { slug: \"other\" }) { version } }";
    let request = json!({ "query": update, "variables": { "id": id } });
    assert_eq!(app.graphql(&request).await.code(), "");
    assert_eq!(found(&app, "\"the unicorn\"").await, "other");
    let sql = "UPDATE article SET slug = 'often' WHERE slug = 'other'";
    app.database.execute(sql).await;
    check().await;
    let checked = app.store.check_words().await.unwrap();
    assert!(checked.stale == 0 && checked.orphans == 0, "{checked:?}");
}

#[apply(on_both_databases)]
async fn a_phrase_of_more_than_64_words_is_found_by_its_parts(database: Database) {
    let app = start!(database);
    let words = |numbers: std::ops::RangeInclusive<u32>| -> String {
        let words: Vec<String> = numbers.map(|number| format!("w{number}")).collect();
        words.join(" ")
    };
    // Long enough to be split into parts on PostgreSQL, two of which overlap in the middle of the phrase.
    let filler = "a ".repeat(16_270);
    for (slug, text) in [
        ("whole", filler.clone() + &words(1..=100)),
        (
            "parts",
            format!(
                "{filler}{} x {} x {}",
                words(1..=64),
                words(33..=96),
                words(65..=100)
            ),
        ),
        (
            "none",
            format!("{filler}{} x {}", words(1..=40), words(41..=100)),
        ),
    ] {
        let created = app
            .create(json!({ "title": slug, "slug": slug, "text": text }))
            .await;
        assert_eq!(created.code(), "", "{created}");
    }
    for (phrase, expected) in [
        (words(1..=64), "parts whole"),
        (words(2..=65), "whole"),
        (words(34..=97), "whole"),
        // The phrase is longer than a part: each of its parts occurs, which is all that is checked.
        (words(1..=100), "parts whole"),
        (words(2..=100), "whole"),
    ] {
        assert_eq!(
            found(&app, &format!("\"{phrase}\"")).await,
            expected,
            "{phrase}"
        );
    }
}
