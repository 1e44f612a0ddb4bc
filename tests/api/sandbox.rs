//! `DB_FORCE_ROLL_BACK`: all writes are visible while the server runs, and gone when it has stopped.

use std::time::Duration;

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

use crate::program::run;
use crate::support::{Database, TestApp, assert_answer, on_both_databases, start};

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
async fn an_error_does_not_affect_other_writes(database: Database) {
    let outside = start!(database);
    let database = outside.database.clone();
    outside
        .create(json!({ "title": "outside", "text": "" }))
        .await;
    outside.stop().await;

    // Both servers generate ids from one on, so the first article of this one gets an id that exists.
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

/// PostgreSQL ends a session that is idle in a transaction if its role, its database or the server is configured so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn an_idle_sandbox_stays_alive() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    let (_, name) = database.url.rsplit_once('/').unwrap();
    for setting in [
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
    ] {
        let sql = format!("ALTER DATABASE {name} SET {setting} = 300");
        database.execute(&sql).await;
    }
    let mut resting = database.clone();
    resting
        .url
        .push_str("?options=-c%20idle_in_transaction_session_timeout%3D300");
    let app = TestApp::start_on(&resting, &["--db-force-roll-back"]).await;
    app.create(json!({ "title": "a", "text": "" })).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(
        app.query(SLUGS).await.body,
        r#"{"data":{"articles":[{"slug":"a"}]}}"#
    );
}

#[apply(on_both_databases)]
async fn a_new_epoch_of_the_feed_is_rejected_in_the_sandbox(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    database.open(&[]).await.unwrap().close().await;
    let environment = [
        ("DATABASE_URL", &*database.url),
        ("DB_FORCE_ROLL_BACK", "true"),
    ];
    let (code, stdout, error) = run(&["feed", "new-epoch"], &environment).await;
    assert_eq!((code, &*stdout), (1, ""), "{error}");
    assert_answer!(error, @"broadsheet: a sandbox would roll back a new epoch of the feed immediately: unset DB_FORCE_ROLL_BACK");
    let (code, stdout, error) = run(&["feed", "new-epoch"], &environment[..1]).await;
    assert_eq!(code, 0, "{error}");
    assert!(stdout.starts_with("epoch "), "{stdout}");
}

#[tokio::test]
async fn a_new_epoch_of_the_feed_creates_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mistyped.db");
    let url = format!("sqlite:{}", path.display());
    let (code, stdout, error) = run(&["feed", "new-epoch"], &[("DATABASE_URL", &url)]).await;
    assert_eq!((code, &*stdout), (1, ""), "{error}");
    let error = error.replace(&*path.to_string_lossy(), "PATH");
    assert_answer!(error, @"broadsheet: there is no database at PATH");
    let mut left = std::fs::read_dir(directory.path()).unwrap();
    assert!(left.next().is_none());
}
