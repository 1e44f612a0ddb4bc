//! When searches find imported articles.

use rstest_reuse::apply;
use serde_json::json;

use super::{Place, line, uuid};
use crate::search::index::found;
use crate::support::{Database, TestApp, assert_answer, on_both_databases};

fn lines(count: u128) -> String {
    let line = |n| line(n, &format!("Title {n}"), &format!("s{n}"), "a naïve text");
    (1..=count).map(line).collect()
}

#[apply(on_both_databases)]
async fn imported_articles_are_found_when_the_command_ends(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    place.write("a", &lines(2_500));
    place.succeed(&["import", "a"]).await;
    assert_eq!(place.database.count("search_due").await, 0);
    let checked = place.succeed(&["check"]).await;
    let last = checked.lines().last();
    assert_eq!(
        last,
        Some("search: 2500 articles are found by their words, ok")
    );
}

#[apply(on_both_databases)]
async fn a_server_indexes_deferred_articles_and_logs_it(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    place.write("a", &lines(2_500));
    let summary = place.succeed(&["import", "a", "--index=later"]).await;
    assert_answer!(summary, @"a: 2500 articles created, 0 replaced, 0 rows skipped, 0 rejected");
    assert_eq!(place.database.count("search_due").await, 2_500);
    let app = TestApp::start_on(&place.database, &[]).await;
    let ready = app.get("/health/ready").await.to_string();
    let left = ready.strip_prefix("ready\nthe search is being indexed: about ");
    let left = left.and_then(|left| left.strip_suffix(" articles are left\n"));
    let left: u32 = left.and_then(|left| left.parse().ok()).expect(&ready);
    assert!((1_000..=2_500).contains(&left), "{left}");
    // They exist already, and some of them are changed before they are indexed.
    for n in 1..=3 {
        let update = format!(
            "mutation {{ updateArticle(id: \"{}\", input: {{ text: \"changed\" }}) {{ id }} }}",
            uuid(n)
        );
        let answer = app.query(&update).await;
        assert_eq!(answer.code(), "", "{answer}");
    }
    app.indexed().await;
    assert_answer!(app.get("/health/ready").await, @"ready");
    assert_eq!(found(&app, "changed").await, "s1 s2 s3");
    assert_eq!(found(&app, "naive \"title 2500\"").await, "s2500");
    place.succeed(&["check"]).await;
}

#[apply(on_both_databases)]
async fn running_an_import_again_indexes_the_rest(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    place.write("a", &lines(300));
    place.succeed(&["import", "a", "--index=later"]).await;
    assert_eq!(place.run(&["check"]).await.0, 1);
    let output = place.succeed(&["import", "a"]).await;
    assert_answer!(output, @"a: all of its rows were imported before; --restart imports them again");
    place.succeed(&["check"]).await;
}

#[apply(on_both_databases)]
async fn an_article_changed_during_indexing_is_found_by_its_current_words(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    let app = TestApp::start_on(&place.database, &[]).await;
    place.write("a", &lines(6_000));
    let import = place.succeed_quietly(&["import", "a"]);
    let mut import = std::pin::pin!(import);
    let mut number = 0;
    loop {
        // Newest first, as the import reads them.
        let id = uuid(6_000 - number * 37 % 6_000);
        number += 1;
        let document = "mutation($id: ID!, $text: String!) { updateArticle(id: $id, input: { text: $text }) { id } }";
        let variables = json!({ "id": id, "text": format!("changed {number}") });
        let request = json!({ "query": document, "variables": variables });
        let update = app.graphql(&request);
        tokio::select! {
            biased;
            _ = &mut import => break,
            _ = update => {}
        }
    }
    app.indexed().await;
    place.succeed(&["check"]).await;
}
