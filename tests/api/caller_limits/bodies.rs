//! The limit on bytes of bodies in memory.

use reqwest::RequestBuilder;
use rstest_reuse::apply;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{HERE, THERE, about_limits, client_from, connect, exceeded, metric};
use crate::socket::Socket;
use crate::support::{Answer, Database, TestApp, assert_answer, on_both_databases, start};

/// A request of which only this many bytes arrive.
async fn slow(app: &TestApp, from: &str, bytes: usize, is_chunked: bool) -> TcpStream {
    let mut stream = connect(from, app.address).await;
    let (length, first) = match is_chunked {
        true => (
            "Transfer-Encoding: chunked".to_owned(),
            format!("{bytes:x}\r\n"),
        ),
        false => (format!("Content-Length: {}", bytes + 10), String::new()),
    };
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n{first}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; bytes]).await.unwrap();
    stream
}

fn post(app: &TestApp, from: &str, text: usize) -> RequestBuilder {
    let request = client_from(from).post(app.url("/graphql"));
    request.json(&json!({ "query": "{ __typename }", "variables": { "unused": " ".repeat(text) } }))
}

async fn until_held(app: &TestApp, bytes: u64) {
    while metric(app, "concurrent_body_bytes").await != bytes {}
}

#[apply(on_both_databases)]
async fn beyond_the_total_bytes_a_request_gets_503_on_every_transport(database: Database) {
    let app = start!(database, "--max-concurrent-body-bytes=400000");
    let mut socket = Socket::ready(&app.address.to_string()).await;
    let mut held = Vec::new();
    for address in 2..6 {
        held.push(
            slow(
                &app,
                &format!("127.0.0.{address}"),
                100_000,
                address % 2 == 0,
            )
            .await,
        );
    }
    until_held(&app, 400_000).await;
    let rejected = Answer::to(post(&app, HERE, 0)).await;
    assert_answer!(about_limits(&rejected), @r#"
    503
    retry-after: 1
    {"errors":[{"message":"the server is busy with the bodies of other requests and responses; try again later","extensions":{"code":"UNAVAILABLE"}}]}
    "#);
    let by_sse = post(&app, HERE, 0).header("accept", "text/event-stream");
    assert_eq!(
        about_limits(&Answer::to(by_sse).await),
        about_limits(&rejected)
    );
    socket.subscribe("1", "{ __typename }").await;
    assert_answer!(socket.receive().await, @r#"{"id":"1","payload":[{"extensions":{"code":"UNAVAILABLE"},"message":"the server is busy with the bodies of other requests and responses; try again later"}],"type":"error"}"#);
    assert_eq!(exceeded(&app, "concurrent_body_bytes").await, 3);
    // A query by GET has no body.
    let get = client_from(HERE).get(app.url("/graphql?query=%7B__typename%7D"));
    assert_eq!(Answer::to(get).await.status, 200);
    drop(held);
    until_held(&app, 0).await;
    assert_eq!(Answer::to(post(&app, HERE, 0)).await.status, 200);
}

#[apply(on_both_databases)]
async fn large_bodies_of_one_address_leave_room_for_others(database: Database) {
    let app = start!(database, "--max-concurrent-body-bytes=400000");
    let _held = slow(&app, HERE, 90_000, false).await;
    until_held(&app, 90_000).await;
    assert_eq!(Answer::to(post(&app, HERE, 90_000)).await.status, 503);
    assert_eq!(Answer::to(post(&app, HERE, 1_000)).await.status, 200);
    assert_eq!(Answer::to(post(&app, THERE, 90_000)).await.status, 200);
}

#[apply(on_both_databases)]
async fn measure_mode_counts_bytes_and_rejects_none(database: Database) {
    let flags = ["--max-concurrent-body-bytes=1000", "--limits-mode=measure"];
    let app = start!(database, flags[0], flags[1]);
    // A single body larger than the limit is accepted.
    assert_eq!(Answer::to(post(&app, HERE, 2_000)).await.status, 200);
    assert_eq!(exceeded(&app, "concurrent_body_bytes").await, 0);
    let _held = slow(&app, THERE, 500, false).await;
    until_held(&app, 500).await;
    assert_eq!(Answer::to(post(&app, HERE, 2_000)).await.status, 200);
    assert_eq!(exceeded(&app, "concurrent_body_bytes").await, 1);
}

#[apply(on_both_databases)]
async fn a_thousand_slow_bodies_do_not_affect_others(database: Database) {
    let app = start!(database);
    let mut held = Vec::new();
    for _ in 0..1_000 {
        held.push(slow(&app, HERE, 60_000, false).await);
    }
    assert_eq!(Answer::to(post(&app, THERE, 1_000_000)).await.status, 200);
    let create = json!({ "query": "mutation { createArticle(input: { title: \"a\", text: \"\" }) { slug } }" });
    let create = client_from(THERE).post(app.url("/graphql")).json(&create);
    assert_eq!(Answer::to(create).await.status, 200);
}
