//! Operations on a WebSocket with tokens of their own.

use broadsheet::admission::Scope;
use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{MUTATION, QUERY, Tokens};
use crate::socket::Socket;
use crate::support::{Database, assert_answer, on_both_databases, start};

const CHANGES: &str = "subscription { articleChanges { cursor } }";

/// The type of the operation's last message, and the code and message of its error.
async fn last_message(socket: &mut Socket) -> String {
    let mut message = socket.receive().await;
    if message["type"] == "next" {
        message = socket.receive().await;
    }
    let error = &message["payload"][0];
    let parts = [
        &message["type"],
        &error["extensions"]["code"],
        &error["message"],
    ];
    let parts = parts.map(|part| part.as_str().unwrap_or_default());
    parts.join(" ").trim_end().to_owned()
}

#[apply(on_both_databases)]
async fn each_operation_is_admitted_by_its_own_token(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag());
    let [reader, writer] = ["reader", "writer"].map(|name| Value::from(tokens.bearer(name)));
    let mut socket = Socket::ready(&app.address.to_string()).await;
    let mut all = String::new();
    for (operation, token) in [
        (MUTATION, Value::Null),
        (MUTATION, reader.clone()),
        (MUTATION, writer.clone()),
        // A token applies to its operation only.
        (MUTATION, Value::Null),
        (QUERY, reader),
        // An invalid token is rejected, although anonymous callers may read.
        (QUERY, json!("Bearer bs_broken")),
        (QUERY, json!("bs_broken")),
        (QUERY, json!(1)),
        (QUERY, json!({})),
        (CHANGES, json!("Bearer bs_broken")),
        (QUERY, Value::Null),
    ] {
        socket.subscribe_as("1", operation, &token).await;
        all += &last_message(&mut socket).await;
        all.push('\n');
    }
    assert_answer!(all, @"
    error UNAUTHENTICATED this needs a token with the scope articles:write: send Authorization: Bearer TOKEN
    error FORBIDDEN the token does not have the scope articles:write
    complete
    error UNAUTHENTICATED this needs a token with the scope articles:write: send Authorization: Bearer TOKEN
    complete
    error UNAUTHENTICATED the token is not valid: it is unknown
    error UNAUTHENTICATED the token is not valid: Authorization is not of the form Bearer TOKEN
    error UNAUTHENTICATED the token is not valid: Authorization is not of the form Bearer TOKEN
    error UNAUTHENTICATED the token is not valid: Authorization is not of the form Bearer TOKEN
    error UNAUTHENTICATED the token is not valid: it is unknown
    complete
    ");

    // Nor does the socket's token apply to an operation with its own.
    let payload = json!({ "Authorization": writer });
    let address = app.address.to_string();
    let mut socket = Socket::initialised(&address, None, &payload).await;
    assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    let reader = Value::from(tokens.bearer("reader"));
    socket.subscribe_as("1", MUTATION, &reader).await;
    assert_answer!(last_message(&mut socket).await, @"error FORBIDDEN the token does not have the scope articles:write");
    socket.subscribe("1", MUTATION).await;
    assert_eq!(last_message(&mut socket).await, "complete");
}

#[apply(on_both_databases)]
async fn a_subscription_ends_with_its_token_and_the_socket_continues(database: Database) {
    let mut tokens = Tokens::new();
    // A second after the time of the clock.
    let end = "2026-01-31T09:30:01Z";
    tokens.add("short", Some(Scope::Read), Some(end));
    let app = start!(database, &tokens.flag());
    let mut socket = Socket::ready(&app.address.to_string()).await;
    socket.subscribe("1", CHANGES).await;
    let short = Value::from(tokens.bearer("short"));
    socket.subscribe_as("2", CHANGES, &short).await;
    let reader = Value::from(tokens.bearer("reader"));
    socket.subscribe_as("3", CHANGES, &reader).await;
    socket.is_heard().await;
    app.at(end);
    assert_answer!(socket.receive().await, @r#"{"id":"2","payload":[{"extensions":{"code":"UNAUTHENTICATED"},"message":"the token is not valid: it has expired"}],"type":"error"}"#);
    socket.subscribe_as("2", CHANGES, &short).await;
    assert_eq!(socket.receive().await["id"], "2");
    // The others continue.
    let create = r#"mutation { createArticle(input: { title: "a", text: "" }) { slug } }"#;
    let writer = Value::from(tokens.bearer("writer"));
    socket.subscribe_as("4", create, &writer).await;
    let mut next = Vec::new();
    while next.len() < 3 {
        let message = socket.receive().await;
        if message["type"] == "next" {
            next.push(message["id"].as_str().unwrap().to_owned());
        }
    }
    next.sort_unstable();
    assert_eq!(next, ["1", "3", "4"]);
}
