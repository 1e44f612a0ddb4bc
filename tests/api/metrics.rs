//! `/metrics`.

mod bytes;
mod cardinality;
mod documented;
mod feed;
mod operations;

use rstest_reuse::apply;

use crate::support::{Database, TestApp, assert_answer, on_both_databases, start};

#[apply(on_both_databases)]
async fn requests_are_counted_by_their_route_and_status(database: Database) {
    let app = start!(database);
    for path in [
        "/",
        "/graphql?query=%7B__typename%7D",
        "/api/v1/articles/",
        "/schema.graphql",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/graphiql/nothing",
        "/nothing",
        "/nothing/else",
    ] {
        app.get(path).await;
    }
    app.query("{ nothing }").await;
    let mut requests = lines(&app, "broadsheet_http_requests_total").await;
    requests.sort_unstable();
    assert_answer!(requests.join("\n"), @r#"
    broadsheet_http_requests_total{route="/",status="307"} 1
    broadsheet_http_requests_total{route="/api/v1/articles/",status="200"} 1
    broadsheet_http_requests_total{route="/graphiql",status="404"} 1
    broadsheet_http_requests_total{route="/graphql",status="200"} 2
    broadsheet_http_requests_total{route="/health/live",status="200"} 1
    broadsheet_http_requests_total{route="/health/ready",status="200"} 1
    broadsheet_http_requests_total{route="/metrics",status="200"} 1
    broadsheet_http_requests_total{route="/schema.graphql",status="200"} 1
    broadsheet_http_requests_total{route="none",status="404"} 2
    "#);
    let seconds = lines(&app, "broadsheet_http_request_seconds_count").await;
    assert_eq!(seconds.len(), requests.len());
}

#[apply(on_both_databases)]
async fn the_metrics_of_all_parts_are_present(database: Database) {
    let app = start!(database);
    let lookup = "{ article(by: { slug: \"a\" }) { title } }";
    for _ in 0..3 {
        assert_eq!(app.query(lookup).await.status, 200);
    }
    let metrics = app.get("/metrics").await;
    let types = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(metrics.header("content-type"), types);
    let expected_prefixes = [
        "broadsheet_query_",
        "broadsheet_lookup_",
        "# TYPE broadsheet_pool_",
    ];
    let expected_prefixes = metrics.body.lines().filter(|line| {
        expected_prefixes
            .iter()
            .any(|start| line.starts_with(start))
    });
    assert_answer!(expected_prefixes.collect::<Vec<_>>().join("\n"), @r"
    broadsheet_query_executions_total 3
    broadsheet_query_joins_total 0
    broadsheet_lookup_loads_total 3
    broadsheet_lookup_joins_total 0
    # TYPE broadsheet_pool_connections gauge
    # TYPE broadsheet_pool_in_use gauge
    # TYPE broadsheet_pool_idle gauge
    # TYPE broadsheet_pool_waiting gauge
    # TYPE broadsheet_pool_wait_seconds histogram
    ");
}

/// The lines that begin with `name`.
async fn lines(app: &TestApp, name: &str) -> Vec<String> {
    let metrics = app.get("/metrics").await;
    let lines = metrics.body.lines().filter(|line| line.starts_with(name));
    lines.map(str::to_owned).collect()
}

/// The value of a line of a page of metrics.
fn value<'m>(metrics: &'m str, series: &str) -> &'m str {
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("there is no {series} in {metrics}"))
}

/// The same for a counter.
fn count(metrics: &str, series: &str) -> usize {
    value(metrics, series).parse().unwrap()
}
