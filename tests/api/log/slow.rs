//! Slow operations are logged with their slowest statement, and `Server-Timing` shows authorized callers how long
//! parts took.

use std::time::Duration;

use broadsheet::admission::Scope;
use rstest_reuse::apply;
use serde_json::json;

use super::redacted;
use crate::admission::Tokens;
use crate::program::Program;
use crate::support::{Answer, Database, assert_answer, client, on_both_databases, start};

#[apply(on_both_databases)]
async fn a_slow_operation_is_logged_with_its_slowest_statement_and_without_values(
    database: Database,
) {
    let kind = database;
    let Some(database) = kind.migrated().await else {
        return;
    };
    let mut program = Program::start(&database.url, &[]).await;
    let silent = Program::start(&database.url, &["--log-slow-operations=0s"]).await;
    let lock = database.lock_writes().await;
    let create =
        "mutation Slow { createArticle(input: { title: \"secret\", text: \"secret\" }) { id } }";
    let created = [&program, &silent].map(|program| {
        let request = client().post(program.url("/graphql"));
        let request = request.json(&json!({ "query": create }));
        tokio::spawn(Answer::to(request.header("x-request-id", "slow")))
    });
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    drop(lock);
    for created in created {
        assert_eq!(created.await.unwrap().status, 200);
    }
    let line = redacted(&program.logged("a slow operation").await);
    assert!(!line.contains("secret"), "{line}");
    let statement = match kind {
        Database::Sqlite => "statement=\"BEGIN IMMEDIATE\"",
        Database::Postgres => "statement=\"INSERT INTO article (id",
    };
    assert!(line.contains(statement), "{line}");
    let (before, after) = line.split_once("statement=").unwrap();
    let (_, after) = after.split_once("statement_ms").unwrap();
    assert_answer!(format!("{before}statement=… statement_ms{after}"), @r#"WARN request{id="slow" method=POST path="/graphql"}: broadsheet::slow: a slow operation duration_ms=N statement=… statement_ms=N operation="mutation" name="Slow" document="66e82aaf18a1588002452085647b9aa9ce0ac041033a9a54f2a05e67b31476b9" prepare_ms=N execute_ms=N wait_ms=N database_ms=N rows=1 shared=false"#);
    for (program, lines) in [(program, 1), (silent, 0)] {
        let log = program.log();
        assert_eq!(log.matches("a slow operation").count(), lines, "{log}");
    }
}

/// The names of the parts in the header.
fn parts(answer: &Answer) -> Option<String> {
    let header = answer.headers.get("server-timing")?.to_str().unwrap();
    let parts = header.split(", ").map(|part| {
        let (name, duration) = part.split_once(";dur=").unwrap();
        assert!(duration.parse::<f64>().is_ok(), "{header}");
        name
    });
    Some(parts.collect::<Vec<_>>().join(" "))
}

#[apply(on_both_databases)]
async fn server_timing_is_for_callers_with_the_scope(database: Database) {
    let mut tokens = Tokens::new();
    tokens.add("timing", [Scope::Timing], None);
    tokens.add("timing-reader", [Scope::Read, Scope::Timing], None);
    let app = start!(database, &tokens.flag(), "--cors-origins=https://a.example");
    let ask = async |token: Option<&str>| {
        let mut request = app.request("/graphql?query=%7Barticles%7Bid%7D%7D");
        request = request.header("origin", "https://a.example");
        if let Some(token) = token {
            request = request.header("authorization", tokens.bearer(token));
        }
        Answer::to(request).await
    };
    assert_eq!(parts(&ask(None).await), None);
    assert_eq!(parts(&ask(Some("writer")).await), None);
    // The scope `timing` alone does not allow reading.
    assert_eq!(ask(Some("timing")).await.status, 403);
    let answer = ask(Some("timing-reader")).await;
    let known = "prepare wait database execute total";
    assert_eq!(parts(&answer).as_deref(), Some(known));
    assert_eq!(answer.header("timing-allow-origin"), "https://a.example");
}

#[apply(on_both_databases)]
async fn server_timing_is_for_all_with_the_setting(database: Database) {
    let app = start!(
        database,
        "--server-timing",
        "--cors-origins=https://a.example"
    );
    let ask = async |query: &str| {
        let request = client().post(app.url("/graphql"));
        let request = request.json(&json!({ "query": query }));
        Answer::to(request.header("origin", "https://a.example")).await
    };
    let answer = ask("{ articles { id } }").await;
    let all = "parse validate prepare wait database execute total";
    assert_eq!(parts(&answer).as_deref(), Some(all));
    assert_eq!(answer.header("timing-allow-origin"), "https://a.example");
    let again = ask("{ articles { id } }").await;
    let known = "prepare wait database execute total";
    assert_eq!(parts(&again).as_deref(), Some(known));
    let wrong = ask("{ nothing }").await;
    assert_eq!(
        parts(&wrong).as_deref(),
        Some("parse validate prepare total")
    );
    assert_eq!(parts(&app.get("/health/live").await), None);
}
