//! The example `library` streams its subscription. `audits.rs` has its audits of GraphQL over HTTP.

#![expect(clippy::unwrap_used, reason = "what supports a test may fail it")]

#[expect(dead_code, reason = "a test starts its own server")]
#[path = "../examples/library.rs"]
mod library;

use std::net::SocketAddr;

use tokio::net::TcpListener;

async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, library::router()).await });
    address
}

#[tokio::test]
async fn the_example_streams_its_subscription() {
    let request = reqwest::Client::new()
        .post(format!("http://{}/graphql", start().await))
        .header("accept", "text/event-stream")
        .header("content-type", "application/json")
        .body(r#"{"query":"subscription { lent }"}"#);
    let events = request.send().await.unwrap().text().await.unwrap();
    let expected = concat!(
        ": \n\n",
        "event: next\ndata: {\"data\":{\"lent\":\"Emma\"}}\n\n",
        "event: next\ndata: {\"data\":{\"lent\":\"Persuasion\"}}\n\n",
        "event: complete\ndata:\n\n",
    );
    assert_eq!(events, expected);
}
