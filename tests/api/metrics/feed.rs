//! How far the feed is behind.

use std::time::Duration;

use rstest_reuse::apply;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{count, value};
use crate::support::{Database, TestApp, on_both_databases, start};

const UNNUMBERED: &str = "broadsheet_feed_unnumbered_changes";

/// Waits until the metric has this value; it is refreshed once a second.
async fn until_metric_is(app: &TestApp, name: &str, expected: usize) {
    let began = Instant::now();
    loop {
        let metrics = app.get("/metrics").await.body;
        let current = count(&metrics, name);
        if current == expected {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{name} is {current}"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

/// PostgreSQL numbers changes when the feed is read, SQLite when they are written.
#[apply(on_both_databases)]
async fn changes_without_a_position_are_counted_until_the_feed_is_read(database: Database) {
    let app = start!(database);
    for title in ["a", "b", "c"] {
        app.create(json!({ "title": title, "text": "" })).await;
    }
    let expected = match database {
        Database::Postgres => 3,
        Database::Sqlite => 0,
    };
    until_metric_is(&app, UNNUMBERED, expected).await;
    let read_feed = app.query("{ articleChangesCursor }").await;
    assert_eq!(read_feed.status, 200, "{read_feed}");
    until_metric_is(&app, UNNUMBERED, 0).await;
    let metrics = app.get("/metrics").await.body;
    assert_eq!(count(&metrics, "broadsheet_feed_unsent_changes"), 0);
    assert_eq!(value(&metrics, "broadsheet_feed_unsent_seconds"), "0.0");
}

/// Metrics that query the database must not delay the others.
#[apply(on_both_databases)]
async fn without_the_database_other_metrics_are_served(database: Database) {
    let app = start!(database);
    app.database.execute("DROP TABLE feed").await;
    let metrics = app.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(!metrics.body.contains(UNNUMBERED), "{metrics}");
    assert!(metrics.body.contains("broadsheet_feed_subscribers 0\n"));
}
