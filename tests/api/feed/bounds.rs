//! Filters with few matches: how much a call reads, how subscribers take turns, and how their clients' cursors advance.

use std::time::Duration;

use broadsheet::article::change::ChangeFilter;
use broadsheet::article::change::ChangeKind::Created;
use broadsheet::feed::Position;
use futures_util::StreamExt as _;
use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{TIMEOUT, next, start};
use crate::support::{Database, OwnDatabase, TestApp, on_both_databases};

/// A page of the deletions after a cursor.
async fn deletions(app: &TestApp, after: &Value) -> Value {
    let query = "query($after: String!) {
        articleChanges(after: $after, kinds: [DELETED]) { changes { kind } endCursor hasMore }
    }";
    let request = json!({ "query": query, "variables": { "after": after } });
    app.graphql(&request).await.json()["data"]["articleChanges"].take()
}

#[apply(on_both_databases)]
async fn a_page_examines_a_limited_part_of_the_feed_and_its_cursor_advances(database: Database) {
    let app = crate::support::start!(database);
    let begin = app.query("{ articleChangesCursor }").await.json();
    app.database.fill(25_000, 0).await;
    app.database
        .execute("DELETE FROM article WHERE slug = 'article-7'")
        .await;
    let mut after = begin["data"]["articleChangesCursor"].clone();
    for expected in [
        json!({ "changes": [], "hasMore": true }),
        json!({ "changes": [], "hasMore": true }),
        json!({ "changes": [{ "kind": "DELETED" }], "hasMore": false }),
        json!({ "changes": [], "hasMore": false }),
    ] {
        let mut page = deletions(&app, &after).await;
        after = page.as_object_mut().unwrap().remove("endCursor").unwrap();
        assert_eq!(page, expected);
    }
}

/// Writes this number of deletions to the log, and nothing else.
async fn log_deletions(own: &OwnDatabase, database: Database, count: usize) {
    own.execute(&match database {
        Database::Sqlite => format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
             INSERT INTO article_change (kind, article_id) SELECT 3, randomblob(16) FROM numbers"
        ),
        Database::Postgres => format!(
            "WITH made AS (INSERT INTO article_change (kind, article_id)
                 SELECT 3, gen_random_uuid() FROM generate_series(1, {count}) RETURNING id)
             INSERT INTO article_feed SELECT row_number() OVER (ORDER BY id), id, now() FROM made"
        ),
    })
    .await;
}

#[apply(on_both_databases)]
async fn filters_that_match_nothing_do_not_delay_other_subscribers(database: Database) {
    let (own, node) = start!(database);
    let begin = node.head().await;
    log_deletions(&own, database, 400_000).await;
    let head = node.head().await;
    let creations = ChangeFilter::new(Some(vec![Created]), None);
    let mut changes = node.subscribe(Some(begin)).await;
    let mut positions = Vec::new();
    // More subscribers than may read the table at the same time.
    for _ in 0..6 {
        let changes = node.feed.subscribe(Some(begin), creations.clone()).await;
        let mut changes = changes.unwrap();
        positions.push(changes.position());
        tokio::spawn(async move { changes.next().await });
    }
    let is_at = |cursor| move |position: &Position| position.get() == cursor;
    while positions.iter().all(is_at(begin)) {
        tokio::task::yield_now().await;
    }
    next(&mut changes, 1).await;
    let through = positions.iter().any(is_at(head));
    assert!(!through, "it waited until others had read all");
    let all_through = async {
        while !positions.iter().all(is_at(head)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, all_through).await.unwrap();
}

#[apply(on_both_databases)]
async fn a_stream_without_matches_advances_the_last_event_id(database: Database) {
    let app = crate::support::start!(database);
    let query = "subscription{articleChanges(kinds:[DELETED]){kind}}";
    let path = format!("/graphql?query={query}")
        .replace('{', "%7B")
        .replace('}', "%7D");
    let open = async |id: Option<&str>| {
        let request = app.request(&path).header("accept", "text/event-stream");
        let request = id
            .into_iter()
            .fold(request, |request, id| request.header("last-event-id", id));
        request.send().await.unwrap()
    };
    let until = async |response: &mut reqwest::Response, end: &str| {
        let mut read = String::new();
        let reading = async {
            while !read.contains(end) {
                let chunk = response.chunk().await.unwrap().unwrap();
                read.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(TIMEOUT, reading).await.unwrap();
        read
    };
    let mut stream = open(None).await;
    until(&mut stream, ": \n\n").await;
    app.database.fill(100, 0).await;
    let head = app.query("{ articleChangesCursor }").await.json();
    let head = head["data"]["articleChangesCursor"].as_str().unwrap();
    // An event that consists of an id only: it sets the last event id and dispatches nothing.
    assert_eq!(until(&mut stream, "\n\n").await, format!("id: {head}\n\n"));

    drop(stream);
    app.database.execute("DELETE FROM article").await;
    let mut stream = open(Some(head)).await;
    let read = until(&mut stream, "DELETED").await;
    let event = read.strip_prefix(": \n\n").unwrap();
    let (first, rest) = event.split_once('\n').unwrap();
    assert_eq!(first, "event: next");
    assert!(rest.starts_with("id: "), "{rest}");
}
