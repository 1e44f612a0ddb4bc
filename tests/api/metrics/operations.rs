//! Metrics of GraphQL operations, and the queries on them in the dashboard and the alerts.

use std::collections::BTreeSet;

use rstest_reuse::apply;
use serde_json::json;

use super::lines;
use crate::program::Program;
use crate::support::{Answer, Database, TestApp, assert_answer, client, on_both_databases, start};

/// The lines with this prefix, without buckets and sums of histograms.
async fn counts(app: &TestApp, name: &str) -> String {
    let mut counts = lines(app, name).await;
    counts.retain(|line| !line.contains("_bucket{") && !line.contains("_sum{"));
    counts.sort();
    counts.join("\n")
}

#[apply(on_both_databases)]
async fn operations_are_counted_by_type_outcome_and_code(database: Database) {
    let app = start!(database);
    app.create(json!({ "title": "a", "slug": "a", "text": "" }))
        .await;
    app.create(json!({ "title": "a", "slug": "a", "text": "" }))
        .await;
    for query in [
        "{ articles { id } }",
        "{ articles { id } }",
        "{ articles(limit: 0) { id } }",
    ] {
        app.query(query).await;
    }
    for query in [
        "{",
        "{ nothing }",
        "mutation { deleteArticle(id: \"a\") { id } }",
    ] {
        app.query(query).await;
    }
    assert_answer!(counts(&app, "graphql_server_request_duration_seconds").await, @r#"
    graphql_server_request_duration_seconds_count{graphql_operation_type="mutation",graphql_operation_name="other",outcome="error"} 2
    graphql_server_request_duration_seconds_count{graphql_operation_type="mutation",graphql_operation_name="other",outcome="success"} 1
    graphql_server_request_duration_seconds_count{graphql_operation_type="query",graphql_operation_name="other",outcome="error"} 1
    graphql_server_request_duration_seconds_count{graphql_operation_type="query",graphql_operation_name="other",outcome="success"} 2
    graphql_server_request_duration_seconds_count{graphql_operation_type="unknown",graphql_operation_name="other",outcome="error"} 2
    "#);
    assert_answer!(counts(&app, "graphql_server_response_errors").await, @r#"
    graphql_server_response_errors_total{error_type="BAD_USER_INPUT"} 1
    graphql_server_response_errors_total{error_type="GRAPHQL_PARSE_FAILED"} 2
    graphql_server_response_errors_total{error_type="GRAPHQL_VALIDATION_FAILED"} 1
    graphql_server_response_errors_total{error_type="NOT_FOUND"} 1
    graphql_server_response_errors_total{error_type="SLUG_TAKEN"} 1
    "#);
    assert_answer!(counts(&app, "graphql_server_active_requests").await, @"graphql_server_active_requests 0");
}

/// The names of metrics in a text, recognized by their prefixes.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        ["graphql_server_", "broadsheet_", "process_"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_and_alerts_use_existing_metrics() {
    let app = TestApp::start(Database::Sqlite, &[]).await.unwrap();
    app.query("{ articles { id } }").await;
    app.query("{ nothing }").await;
    app.get("/nothing").await;
    let metrics = app.get("/metrics").await.body;
    let known = names(&metrics);
    let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for file in ["grafana/broadsheet.json", "prometheus/alerts.yaml"] {
        let text = std::fs::read_to_string(deploy.join(file)).unwrap();
        let queried = names(&text);
        assert!(queried.len() > 5, "{queried:?}");
        let unknown: Vec<_> = queried.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}");
    }
    let alerts = std::fs::read_to_string(deploy.join("prometheus/alerts.yaml")).unwrap();
    let operations = deploy.with_file_name("docs").join("operations.md");
    let operations = std::fs::read_to_string(operations).unwrap();
    for alert in alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        assert!(
            operations.contains(alert),
            "docs/operations.md does not say what {alert} means"
        );
    }
}

#[apply(on_both_databases)]
async fn with_an_admin_address_metrics_are_served_only_there(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let mut program = Program::start(&database.url, &["--admin-address=127.0.0.1:0"]).await;
    let line = program.logged("health and metrics on http://").await;
    let (_, admin) = line.split_once("http://").unwrap();
    let get = async |url: String| Answer::to(client().get(url)).await;
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(get(format!("http://{admin}{path}")).await.status, 200);
        assert_eq!(get(program.url(path)).await.status, 200);
    }
    let metrics = get(format!("http://{admin}/metrics")).await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.contains("process_open_fds "), "{metrics}");
    assert!(
        metrics.body.contains("broadsheet_build_info{version="),
        "{metrics}"
    );
    assert_eq!(get(program.url("/metrics")).await.status, 404);
    assert_eq!(
        get(format!("http://{admin}/graphql?query=%7B__typename%7D"))
            .await
            .status,
        404
    );
    program.signal("TERM");
    assert!(program.end().await.0.success());
}

#[tokio::test]
async fn a_taken_admin_address_prevents_startup_before_the_database_is_used() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let flag = format!("--admin-address={address}");
    let directory = crate::program::directory();
    let environment = [("PORT", "0")];
    let (code, _, error) = crate::program::run_in(directory.path(), &[&flag], &environment).await;
    assert_eq!(code, 1);
    assert!(
        error.contains(&format!("cannot listen on {address}")),
        "{error}"
    );
    assert!(!directory.path().join("broadsheet.db").exists());
}
