//! A read ends when its time is over, and soon after whoever asked has gone; and the program when it is told to stop.

use std::time::{Duration, Instant};

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::program::Program;
use crate::support::{Database, assert_answer, client, on_both_databases};

/// A request that compares all texts with so many parts, none of which they have.
fn slow_request(parts: usize) -> Value {
    let parts: Vec<Value> = (0..parts)
        .map(|part| json!({ "text": { "contains": format!("{part} is nowhere") } }))
        .collect();
    json!({
        "query": "query($filter: ArticleFilter) { articles(filter: $filter) { id } }",
        "variables": { "filter": { "or": parts } },
    })
}

#[apply(on_both_databases)]
async fn the_program_ends_soon_after_stop_timeout_whatever_is_going_on(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    drop(own.open(&[]).await.unwrap());
    own.fill(400, 90_000).await;
    let flags = [
        "--stop-timeout=1s",
        "--db-statement-timeout=10min",
        "--db-lock-timeout=10min",
        "--request-timeout=10min",
    ];
    let program = Program::start(&own.url, &flags).await;
    // On PostgreSQL a lock makes the list slow.
    let _lock = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(own.lock_reads().await),
    };
    let url = program.url("/graphql");
    let asked = tokio::spawn(async move {
        let request = client().post(url).json(&slow_request(99)).send();
        request.await.map(|response| response.status())
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!asked.is_finished(), "the machine is too fast");
    let began = Instant::now();
    program.signal("TERM");
    let (status, log) = program.end().await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}\n{log}");
    assert_eq!(status.code(), Some(3), "{log}");
    assert_answer!(log.lines().last().unwrap(), @"broadsheet: stopped although something was still under way when STOP_TIMEOUT was over");
    assert!(asked.await.unwrap().is_err(), "it was answered");
}
