//! The example `library`: all audits of GraphQL over HTTP, and its subscription.
//!
//! The audits need Node.js and `npm ci` in `tests/audits`; without them that test is ignored, but not under CI.

#![expect(clippy::unwrap_used, reason = "what supports a test may fail it")]

#[expect(dead_code, reason = "a test starts its own server")]
#[path = "../examples/library.rs"]
mod library;

use std::net::SocketAddr;
use std::process::Command;

use tokio::net::TcpListener;

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audits");

async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, library::router()).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    no_audits,
    ignore = "needs Node.js and `npm ci` in crates/graphql-transports/tests/audits"
)]
async fn the_example_meets_all_audits_of_graphql_over_http() {
    let url = format!("http://{}/graphql", start().await);
    let mut audits = Command::new("node");
    audits.arg("audits.js").arg(url).current_dir(PACKAGE);
    let output = tokio::task::spawn_blocking(move || audits.output());
    let output = output.await.unwrap().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let missed = String::from_utf8_lossy(&output.stderr);
    assert_eq!((&*printed, &*missed), ("61 of 61 audits\n", ""));
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
