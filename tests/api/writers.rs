//! Many concurrent writers, and clients that disconnect before they get a response.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::{join, join_all};
use rstest_reuse::apply;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Database, TestApp, on_both_databases, start};

#[apply(on_both_databases)]
async fn one_of_two_concurrent_writers_gets_a_slug(database: Database) {
    let app = start!(database);
    for round in 0..100 {
        let slug = format!("slug {round}");
        let create = |title| app.create(json!({ "title": title, "slug": slug, "text": "" }));
        let (one, other) = join(create("one"), create("other")).await;
        let mut codes = [one.code(), other.code()];
        codes.sort();
        assert_eq!(codes, ["", "SLUG_TAKEN"], "{one} {other}");
    }
    let list = app.get("/api/v1/articles/").await.json();
    assert_eq!(list.as_array().unwrap().len(), 100);
}

#[apply(on_both_databases)]
async fn concurrent_creates_without_slugs_all_get_one(database: Database) {
    let app = start!(database);
    let answers = join_all((0..30).map(|_| app.create(json!({ "title": "a", "text": "" })))).await;
    let slugs: HashSet<String> = answers
        .iter()
        .map(|answer| answer.json()["data"]["createArticle"]["slug"].to_string())
        .collect();
    let expected = (2..=30)
        .map(|number| format!("\"a-{number}\""))
        .chain(["\"a\"".to_owned()]);
    assert_eq!(slugs, expected.collect());
}

#[apply(on_both_databases)]
async fn a_client_that_disconnects_a_hundred_times_leaves_nothing_behind(database: Database) {
    let app = start!(database, "--db-max-size=2");
    let body = json!({
        "query": r#"mutation { createArticle(input: { title: "left alone", text: "" }) { id } }"#,
    })
    .to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for round in 0..100 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        // The first ten disconnect before they have sent the whole request.
        let sent = request.len() * (round + 1).min(11) / 11;
        stream.write_all(&request.as_bytes()[..sent]).await.unwrap();
        // Each disconnects at a different moment of the server's work, which takes a few milliseconds.
        tokio::time::sleep(Duration::from_micros(50 * round as u64)).await;
    }
    // No connection was lost from the pool: more concurrent writes than connections succeed.
    let answers =
        join_all((0..10).map(|_| app.create(json!({ "title": "after", "text": "" })))).await;
    for answer in answers {
        assert_eq!(answer.code(), "", "{answer}");
    }
    // Stopping waits for writes whose clients have disconnected, so no transaction is open afterwards.
    let database = app.database.clone();
    app.stop().await;
    drop(database.lock_writes().await);
    let app = TestApp::start_on(&database, &[]).await;
    let articles = app.get("/api/v1/articles/").await.json();
    let articles = articles.as_array().unwrap();
    let titles = |title| {
        articles
            .iter()
            .filter(|article| article["title"] == title)
            .count()
    };
    assert_eq!(titles("after"), 10);
    assert!(
        (1..=90).contains(&titles("left alone")),
        "{}",
        titles("left alone")
    );
}

#[apply(on_both_databases)]
async fn a_write_is_completed_after_its_client_disconnects(database: Database) {
    let app = start!(database);
    let lock = app.database.lock_writes().await;
    let create = app.create(json!({ "title": "left alone", "text": "" }));
    // The lock blocks all writes, so that the client always disconnects in the middle of one.
    let hung_up = tokio::time::timeout(Duration::from_millis(500), create).await;
    assert!(hung_up.is_err());
    drop(lock);
    let database = app.database.clone();
    app.stop().await;
    let app = TestApp::start_on(&database, &[]).await;
    let list = app.get("/api/v1/articles/").await.json();
    assert_eq!(list[0]["slug"], "left-alone", "the write was cut off");
}

#[apply(on_both_databases)]
async fn each_write_has_its_own_lock_timeout(database: Database) {
    let app = start!(
        database,
        "--db-max-size=1",
        "--db-min-size=0",
        "--db-wait-timeout=1s"
    );
    let lock = app.database.lock_writes().await;
    let create = async |title: &str, after: u64| {
        tokio::time::sleep(Duration::from_millis(after)).await;
        app.create(json!({ "title": title, "text": "" }))
            .await
            .code()
    };
    let unlock = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        drop(lock);
    };
    // The first has the connection and waits for the lock; the second waits for the connection until 1,200 ms.
    let (first, second, late, later, ()) = tokio::join!(
        create("first", 0),
        create("second", 200),
        create("late", 1_000),
        create("later", 1_100),
        unlock,
    );
    assert_eq!([first, second, late, later], ["", "UNAVAILABLE", "", ""]);
}
