//! The limit on concurrent operations, and what happens to those that wait.

use std::time::Duration;

use reqwest::RequestBuilder;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{HERE, about_limits, client_from, connect, metric};
use crate::socket::Socket;
use crate::support::{Answer, Database, TestApp, assert_answer, on_both_databases, start};

const ONE: &str = "--max-concurrent-operations=1";

fn create(slug: &str) -> Value {
    json!({ "query": format!(
        r#"mutation {{ createArticle(input: {{ title: "a", slug: "{slug}", text: "" }}) {{ slug }} }}"#
    ) })
}

fn post(app: &TestApp, request: &Value) -> RequestBuilder {
    client_from(HERE).post(app.url("/graphql")).json(request)
}

async fn until(app: &TestApp, what: &str, count: u64) {
    let name = format!("operations_{what}{{type=\"mutation\"}}");
    while metric(app, &name).await != count {}
}

async fn shed(app: &TestApp) -> u64 {
    metric(app, "operations_shed_total{type=\"mutation\"}").await
}

async fn slugs(app: &TestApp) -> Value {
    let articles = app.query("{ articles(orderBy: SLUG_ASC) { slug } }").await;
    articles.json()["data"]["articles"].clone()
}

#[apply(on_both_databases)]
async fn an_operation_that_waits_too_long_gets_503_on_every_transport(database: Database) {
    let app = start!(database, ONE, "--operation-wait=200ms");
    let lock = app.database.lock_writes().await;
    let first = tokio::spawn(Answer::to(post(&app, &create("first"))));
    until(&app, "running", 1).await;
    let rejected = Answer::to(post(&app, &create("second"))).await;
    assert_answer!(about_limits(&rejected), @r#"
    503
    retry-after: 1
    {"errors":[{"message":"the server is overloaded at the moment; try again later","extensions":{"code":"UNAVAILABLE"}}]}
    "#);
    let by_sse = post(&app, &create("third")).header("accept", "text/event-stream");
    assert_eq!(
        about_limits(&Answer::to(by_sse).await),
        about_limits(&rejected)
    );
    let mut socket = Socket::ready(&app.address.to_string()).await;
    let fourth = create("fourth");
    socket
        .subscribe("1", fourth["query"].as_str().unwrap())
        .await;
    assert_answer!(socket.receive().await, @r#"{"id":"1","payload":[{"extensions":{"code":"UNAVAILABLE"},"message":"the server is overloaded at the moment; try again later"}],"type":"error"}"#);
    assert_eq!(shed(&app).await, 3);
    // Queries have separate permits, and probes and metrics need none.
    assert_eq!(slugs(&app).await, json!([]));
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    drop(lock);
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(Answer::to(post(&app, &create("fifth"))).await.status, 200);
    assert_eq!(
        slugs(&app).await,
        json!([{ "slug": "fifth" }, { "slug": "first" }])
    );
}

#[apply(on_both_databases)]
async fn a_waiting_operation_is_executed_when_a_permit_is_free(database: Database) {
    let app = start!(database, ONE, "--operation-wait=30s");
    let lock = app.database.lock_writes().await;
    let answers: Vec<_> = ["a", "b", "c"]
        .map(|slug| tokio::spawn(Answer::to(post(&app, &create(slug)))))
        .into();
    until(&app, "waiting", 2).await;
    drop(lock);
    for answer in answers {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(
        slugs(&app).await,
        json!([{ "slug": "a" }, { "slug": "b" }, { "slug": "c" }])
    );
    assert_eq!(shed(&app).await, 0);
}

#[apply(on_both_databases)]
async fn a_mutation_whose_client_disconnects_while_waiting_is_not_executed(database: Database) {
    let app = start!(database, ONE, "--operation-wait=60s");
    let lock = app.database.lock_writes().await;
    let first = tokio::spawn(Answer::to(post(&app, &create("first"))));
    until(&app, "running", 1).await;
    let mut client = connect(HERE, app.address).await;
    let body = create("gone").to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut socket = Socket::ready(&app.address.to_string()).await;
    let query = create("gone-too");
    socket
        .subscribe("1", query["query"].as_str().unwrap())
        .await;
    until(&app, "waiting", 2).await;
    drop(client);
    drop(socket);
    until(&app, "waiting", 0).await;
    drop(lock);
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(slugs(&app).await, json!([{ "slug": "first" }]));
}

#[apply(on_both_databases)]
async fn measure_mode_counts_waiting_operations_and_executes_them(database: Database) {
    let app = start!(database, ONE, "--limits-mode=measure");
    let lock = app.database.lock_writes().await;
    let answers: Vec<_> = ["a", "b"]
        .map(|slug| tokio::spawn(Answer::to(post(&app, &create(slug)))))
        .into();
    until(&app, "running", 2).await;
    drop(lock);
    for answer in answers {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(shed(&app).await, 1);
}

/// Equal queries share an execution and so a permit, however many they are.
#[apply(on_both_databases)]
async fn a_shared_execution_needs_one_permit(database: Database) {
    let app = start!(database, ONE, "--operation-wait=10s");
    let requests = (0..300).map(|_| app.query("{ articles { title } }"));
    for answer in futures_util::future::join_all(requests).await {
        assert_eq!(answer.status, 200);
    }
    let ask = async || metric(&app, "operations_running{type=\"query\"}").await;
    tokio::time::timeout(Duration::from_secs(30), async { while ask().await > 0 {} })
        .await
        .unwrap();
}

/// A slow query reads every text; if it ends before the list, it is sent again.
#[apply(on_both_databases)]
async fn the_list_of_all_articles_needs_a_permit_too(database: Database) {
    let app = start!(database, ONE, "--operation-wait=1ms");
    app.database.fill(400, 90_000).await;
    let list = loop {
        let slow = r#"{ articles(filter: { text: { contains: "é" } }) { id } }"#;
        let slow = tokio::spawn(Answer::to(post(&app, &json!({ "query": slow }))));
        while metric(&app, "operations_running{type=\"query\"}").await == 0 && !slow.is_finished() {
        }
        let list = Answer::to(client_from(HERE).get(app.url("/api/v1/articles/"))).await;
        assert_eq!(slow.await.unwrap().status, 200);
        if list.status != 200 {
            break list;
        }
    };
    assert_answer!(about_limits(&list), @r#"
    503
    retry-after: 1
    {"errors":[{"message":"the server is overloaded at the moment; try again later","extensions":{"code":"UNAVAILABLE"}}]}
    "#);
    let shed = metric(&app, "operations_shed_total{type=\"query\"}").await;
    assert_eq!(shed, 1);
    let list = Answer::to(client_from(HERE).get(app.url("/api/v1/articles/"))).await;
    assert_eq!(list.json().as_array().unwrap().len(), 400);
}
