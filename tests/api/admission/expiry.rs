//! Sockets and event streams whose tokens expire or are revoked.

use std::time::Duration;

use broadsheet::admission::Scope;
use reqwest::Response;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Tokens;
use crate::program::Program;
use crate::socket::Socket;
use crate::support::{Database, assert_answer, client, on_both_databases, start};

const CHANGES: &str = "subscription { articleChanges { cursor } }";

/// A socket with a subscription.
async fn socket(address: &str, authorization: &str) -> Socket {
    let payload = json!({ "authorization": authorization });
    let mut socket = Socket::initialised(address, None, &payload).await;
    assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    socket.subscribe("1", CHANGES).await;
    socket.is_heard().await;
    socket
}

async fn events(url: String, authorization: &str) -> Response {
    let response = client()
        .post(url)
        .header("accept", "text/event-stream")
        .header("authorization", authorization)
        .json(&json!({ "query": CHANGES }))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    response
}

/// The whole of a stream that ends, without comments.
async fn text(response: Response) -> String {
    let text = timeout(Duration::from_secs(30), response.text()).await;
    text.unwrap().unwrap().replace(": \n\n", "")
}

#[apply(on_both_databases)]
async fn they_end_when_the_token_expires(database: Database) {
    let mut tokens = Tokens::new();
    // A second after the time of the clock.
    let end = "2026-01-31T09:30:01Z";
    tokens.add("short", Some(Scope::Read), Some(end));
    let app = start!(database, &tokens.flag(), "--anonymous-reads=false");
    let [short, reader] = ["short", "reader"].map(|name| tokens.bearer(name));
    let address = app.address.to_string();
    let mut ending = socket(&address, &short).await;
    let mut staying = socket(&address, &reader).await;
    let ending_events = events(app.url("/graphql"), &short).await;
    app.at(end);
    assert_eq!(ending.closed().await, 4403);
    assert_eq!(text(ending_events).await, "");
    staying.is_heard().await;
    // And they cannot reconnect with it.
    let payload = json!({ "Authorization": short });
    let mut again = Socket::initialised(&address, None, &payload).await;
    assert_eq!(again.receive_or_close().await, Err(4403));
}

#[apply(on_both_databases)]
async fn they_end_when_the_token_is_revoked_or_its_scopes_change(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let tokens = Tokens::new();
    let mut program = Program::start(&own.url, &[&tokens.flag()]).await;
    let [revoked, writer, reader] = ["revoked", "writer", "reader"].map(|name| tokens.bearer(name));
    let url = program.url("/graphql");
    let mut of_revoked = socket(program.address(), &revoked).await;
    let mut of_changed = socket(program.address(), &writer).await;
    let mut of_reader = socket(program.address(), &reader).await;
    let mut of_nobody = Socket::ready(program.address()).await;
    let events_of_revoked = events(url.clone(), &revoked).await;
    let mut events_of_reader = events(url, &reader).await;

    // An invalid file ends nothing, and revokes nothing.
    let good = std::fs::read_to_string(&tokens.path).unwrap();
    tokens.edit(|text| text + "broken = {");
    program.signal("HUP");
    program.logged("tokens or keys stay as they were").await;
    of_revoked.is_heard().await;
    let metrics = client().get(program.url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("\nbroadsheet_admission_failed_reloads_total 1\n"));

    tokens.edit(|_| good);
    tokens.revoke("revoked");
    tokens.edit(|text| text.replace(r#""articles:read", "articles:write""#, r#""articles:read""#));
    program.signal("HUP");
    assert_eq!(of_revoked.closed().await, 4403);
    assert_eq!(of_changed.closed().await, 4403);
    assert_eq!(text(events_of_revoked).await, "");
    of_reader.is_heard().await;
    of_nobody.is_heard().await;
    let first = events_of_reader.chunk().await.unwrap();
    assert_eq!(first.as_deref(), Some(&b": \n\n"[..]));
}

#[apply(on_both_databases)]
async fn a_mutation_under_way_gets_its_response_after_its_token_expires(database: Database) {
    let mut tokens = Tokens::new();
    let end = "2026-01-31T09:30:01Z";
    tokens.add("short", Some(Scope::Write), Some(end));
    let app = start!(database, &tokens.flag());
    let payload = json!({ "authorization": tokens.bearer("short") });
    let address = app.address.to_string();
    let mut socket = Socket::initialised(&address, None, &payload).await;
    assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    let lock = app.database.lock_writes().await;
    let create = r#"mutation { createArticle(input: { title: "a", text: "" }) { slug } }"#;
    socket.subscribe("1", create).await;
    socket.is_heard().await;
    app.at(end);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    drop(lock);
    let answers: Vec<Value> = vec![socket.receive().await, socket.receive().await];
    assert_answer!(json!(answers), @r#"[{"id":"1","payload":{"data":{"createArticle":{"slug":"a"}}},"type":"next"},{"id":"1","type":"complete"}]"#);
    assert_eq!(socket.closed().await, 4403);
}
