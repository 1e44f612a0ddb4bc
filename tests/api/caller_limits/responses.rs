//! The limit on bytes of responses that clients do not read.

use std::net::SocketAddr;

use broadsheet::article::{NewArticle, Text};
use reqwest::RequestBuilder;
use rstest_reuse::apply;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use super::{HERE, THERE, about_limits, client_from, exceeded, metric};
use crate::socket::Socket;
use crate::support::{Answer, Database, TestApp, article, assert_answer, on_both_databases, start};

const QUERY: &str = "{ articles { text } }";

/// More than the socket buffers of both ends hold.
const BYTES: u64 = 10_000_000;

async fn fill(app: &TestApp) {
    for _ in 0..10 {
        let new = NewArticle {
            text: Text::new("a".repeat(1_000_000)).unwrap(),
            ..article("a", None, None)
        };
        app.store.create_article(new).await.unwrap();
    }
}

/// A client that requests all articles and reads nothing of the response.
async fn unread(app: &TestApp, from: &str) -> TcpStream {
    let before = metric(app, "concurrent_response_bytes").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket
        .bind(SocketAddr::new(from.parse().unwrap(), 0))
        .unwrap();
    let mut stream = socket.connect(app.address).await.unwrap();
    let request = "GET /graphql?query=%7Barticles%7Btext%7D%7D HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    while metric(app, "concurrent_response_bytes").await < before + BYTES {}
    stream
}

fn ask(app: &TestApp, from: &str, query: &str) -> RequestBuilder {
    let request = client_from(from).post(app.url("/graphql"));
    request.json(&json!({ "query": query }))
}

#[apply(on_both_databases)]
async fn beyond_its_share_an_address_gets_503_and_others_are_served(database: Database) {
    let app = start!(database, "--max-concurrent-body-bytes=36000000");
    fill(&app).await;
    let held = unread(&app, HERE).await;
    let rejected = Answer::to(ask(&app, HERE, QUERY)).await;
    assert_answer!(about_limits(&rejected), @r#"
    503
    retry-after: 1
    {"errors":[{"message":"the server is busy with the bodies of other requests and responses; try again later","extensions":{"code":"UNAVAILABLE"}}]}
    "#);
    let by_sse = ask(&app, HERE, QUERY).header("accept", "text/event-stream");
    assert_eq!(
        about_limits(&Answer::to(by_sse).await),
        about_limits(&rejected)
    );
    let mut socket = Socket::ready(&app.address.to_string()).await;
    socket.subscribe("1", QUERY).await;
    let answer = socket.receive().await;
    assert_eq!(answer["payload"][0]["extensions"]["code"], "UNAVAILABLE");
    assert_eq!(exceeded(&app, "concurrent_response_bytes").await, 3);
    // Small responses are sent, and so are those of executed mutations.
    assert_eq!(
        Answer::to(ask(&app, HERE, "{ articles { id } }"))
            .await
            .status,
        200
    );
    let create = format!(
        r#"mutation {{ createArticle(input: {{ title: "a", text: "{}" }}) {{ text }} }}"#,
        "a".repeat(1_000_000)
    );
    assert_eq!(Answer::to(ask(&app, HERE, &create)).await.status, 200);
    assert_eq!(Answer::to(ask(&app, THERE, QUERY)).await.status, 200);
    // When the total limit is reached, requests from all addresses are rejected.
    let _others = [unread(&app, THERE).await, unread(&app, "127.0.0.3").await];
    assert_eq!(Answer::to(ask(&app, "127.0.0.4", QUERY)).await.status, 503);
    drop(held);
    while metric(&app, "concurrent_response_bytes").await > 2 * BYTES + BYTES / 2 {}
    assert_eq!(Answer::to(ask(&app, "127.0.0.4", QUERY)).await.status, 200);
}

#[apply(on_both_databases)]
async fn a_message_counts_until_it_is_read(database: Database) {
    let app = start!(database);
    fill(&app).await;
    let mut socket = Socket::ready(&app.address.to_string()).await;
    socket.subscribe("1", QUERY).await;
    // The text is in the response twice.
    while metric(&app, "concurrent_response_bytes").await < 2 * BYTES {}
    assert_eq!(socket.receive().await["type"], "next");
    while metric(&app, "concurrent_response_bytes").await > 0 {}
}
