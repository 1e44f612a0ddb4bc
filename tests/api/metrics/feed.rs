//! How far the feed is behind.

use std::time::Duration;

use rstest_reuse::apply;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{count, value};
use crate::support::{Database, TestApp, on_both_databases, start};

const UNNUMBERED: &str = "broadsheet_feed_unnumbered_changes";

/// Waits for this value in the metrics, which query once a second.
async fn tells(app: &TestApp, name: &str, expected: usize) {
    let began = Instant::now();
    loop {
        let metrics = app.get("/metrics").await.body;
        let told = count(&metrics, name);
        if told == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{name} is {told}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// On SQLite a change gets its position when it is written.
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
    tells(&app, UNNUMBERED, expected).await;
    let asked = app.query("{ articleChangesCursor }").await;
    assert_eq!(asked.status, 200, "{asked}");
    tells(&app, UNNUMBERED, 0).await;
    let metrics = app.get("/metrics").await.body;
    assert_eq!(count(&metrics, "broadsheet_feed_unsent_changes"), 0);
    assert_eq!(value(&metrics, "broadsheet_feed_unsent_seconds"), "0.0");
}

/// Metrics that need the database must not block the others.
#[apply(on_both_databases)]
async fn without_the_database_other_metrics_are_served(database: Database) {
    let app = start!(database);
    app.database.execute("DROP TABLE feed").await;
    let metrics = app.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(!metrics.body.contains(UNNUMBERED), "{metrics}");
    assert!(metrics.body.contains("broadsheet_feed_subscribers 0\n"));
}
