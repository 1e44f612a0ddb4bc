//! `DB_FORCE_ROLL_BACK`: all writes are visible while the server runs, and gone when it has stopped.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

use crate::support::{Database, TestApp, on_both_databases, start};

const SLUGS: &str = "{ articles(orderBy: CREATED_AT_ASC) { slug } }";

#[apply(on_both_databases)]
async fn what_is_written_is_visible_until_the_server_stops(database: Database) {
    let app = start!(database, "--db-force-roll-back");
    let database = app.database.clone();
    app.create(json!({ "title": "a", "text": "" })).await;
    assert_eq!(
        app.query(SLUGS).await.body,
        r#"{"data":{"articles":[{"slug":"a"}]}}"#
    );
    let list = app.get("/api/v1/articles/").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    app.stop().await;

    let app = TestApp::start_on(&database, &[]).await;
    assert_eq!(app.query(SLUGS).await.body, r#"{"data":{"articles":[]}}"#);
}

#[apply(on_both_databases)]
async fn an_error_spoils_nothing_of_what_came_before_or_comes_after(database: Database) {
    let outside = start!(database);
    let database = outside.database.clone();
    outside
        .create(json!({ "title": "outside", "text": "" }))
        .await;
    outside.stop().await;

    // Both clocks count their ids from one, so the first article of this server takes an id that is there.
    let app = TestApp::start_on(&database, &["--db-force-roll-back"]).await;
    let answer = app.create(json!({ "title": "same id", "text": "" })).await;
    assert_eq!(answer.code(), "INTERNAL", "{answer}");
    app.create(json!({ "title": "second", "text": "" })).await;
    let answer = app
        .create(json!({ "title": "a", "slug": "second", "text": "" }))
        .await;
    assert_eq!(answer.code(), "SLUG_TAKEN", "{answer}");
    app.create(json!({ "title": "third", "text": "" })).await;
    let slugs = r#"{"data":{"articles":[{"slug":"outside"},{"slug":"second"},{"slug":"third"}]}}"#;
    assert_eq!(app.query(SLUGS).await.body, slugs);
    app.stop().await;

    let app = TestApp::start_on(&database, &[]).await;
    assert_eq!(
        app.query(SLUGS).await.body,
        r#"{"data":{"articles":[{"slug":"outside"}]}}"#
    );
}

#[apply(on_both_databases)]
async fn many_requests_share_the_one_connection(database: Database) {
    let app = start!(database, "--db-force-roll-back");
    let answers = join_all((0..50).map(async |_| {
        app.query(SLUGS).await;
        app.create(json!({ "title": "a", "text": "" })).await
    }));
    for answer in answers.await {
        assert_eq!(answer.code(), "", "{answer}");
    }
    let list = app.get("/api/v1/articles/").await.json();
    assert_eq!(list.as_array().unwrap().len(), 50);
}
