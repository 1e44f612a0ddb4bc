//! The limits on WebSockets and event streams.

use broadsheet::admission::Scope;
use reqwest::{RequestBuilder, Response};
use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{HERE, THERE, about_limits, client_from, exceeded, metric};
use crate::admission::Tokens;
use crate::socket::Socket;
use crate::support::{Answer, Database, TestApp, assert_answer, on_both_databases, start};

const CHANGES: &str = "subscription { articleChanges { cursor } }";

fn events(app: &TestApp, from: &str, query: &str) -> RequestBuilder {
    let request = client_from(from).post(app.url("/graphql"));
    let request = request.header("accept", "text/event-stream");
    request.json(&json!({ "query": query }))
}

/// A stream that stays open until this value is dropped.
async fn open_events(app: &TestApp, from: &str) -> Response {
    let response = events(app, from, CHANGES).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

fn handshake(app: &TestApp, from: &str) -> RequestBuilder {
    let request = client_from(from).get(app.url("/graphql"));
    request
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "graphql-transport-ws")
}

#[apply(on_both_databases)]
async fn a_stream_over_the_limit_of_its_caller_gets_429(database: Database) {
    let app = start!(database, "--max-streams-per-caller=2");
    let address = app.address.to_string();
    let mut socket = Socket::ready(&address).await;
    let stream = open_events(&app, HERE).await;
    let rejected = Answer::to(handshake(&app, HERE)).await;
    assert_answer!(about_limits(&rejected), @r#"
    429
    retry-after: 5
    ratelimit: "streams";r=0
    ratelimit-policy: "streams";q=2;qu="concurrent-requests"
    {"errors":[{"message":"a caller may have 2 WebSockets and event streams at a time; close one of yours first","extensions":{"code":"RATE_LIMITED"}}]}
    "#);
    let by_sse = Answer::to(events(&app, HERE, CHANGES)).await;
    assert_eq!(about_limits(&by_sse), about_limits(&rejected));
    // A subscription on an existing socket takes no slot, nor does an operation with one result.
    socket.subscribe("1", CHANGES).await;
    socket.is_heard().await;
    let single = Answer::to(events(&app, HERE, "{ __typename }")).await;
    assert_eq!(single.status, 200);
    assert_eq!(Answer::to(handshake(&app, THERE)).await.status, 101);
    assert_eq!(exceeded(&app, "streams_per_caller").await, 2);
    drop(stream);
    while Answer::to(events(&app, HERE, "{ __typename }"))
        .await
        .status
        != 200
        || metric(&app, "streams").await > 1
    {}
    drop(open_events(&app, HERE).await);
    drop(socket);
}

#[apply(on_both_databases)]
async fn a_stream_over_the_total_limit_gets_503(database: Database) {
    let app = start!(database, "--max-streams=2");
    let socket = Socket::ready(&app.address.to_string()).await;
    let stream = open_events(&app, THERE).await;
    let rejected = Answer::to(handshake(&app, HERE)).await;
    assert_answer!(about_limits(&rejected), @r#"
    503
    retry-after: 1
    {"errors":[{"message":"the server has too many WebSockets and event streams at the moment; try again later","extensions":{"code":"UNAVAILABLE"}}]}
    "#);
    let by_sse = Answer::to(events(&app, HERE, CHANGES)).await;
    assert_eq!(about_limits(&by_sse), about_limits(&rejected));
    assert_eq!(exceeded(&app, "streams").await, 2);
    drop(socket);
    while metric(&app, "streams").await > 1 {}
    drop(open_events(&app, HERE).await);
    drop(stream);
}

#[apply(on_both_databases)]
async fn a_socket_with_a_token_counts_for_its_caller(database: Database) {
    let mut tokens = Tokens::new();
    tokens.add("other", Some(Scope::Read), None);
    let app = start!(database, &tokens.flag(), "--max-streams-per-caller=1");
    let address = app.address.to_string();
    let initialised = async |name: &str| {
        let payload = json!({ "authorization": tokens.bearer(name) });
        let mut socket = Socket::initialised(&address, None, &payload).await;
        let answer = socket.receive_or_close().await;
        (socket, answer)
    };
    let acknowledged: Result<Value, u16> = Ok(json!({ "type": "connection_ack" }));
    let mut held = Vec::new();
    // From one address, because each counts for its own caller after `connection_init`.
    for name in ["reader", "other"] {
        let (socket, answer) = initialised(name).await;
        assert_eq!(answer, acknowledged, "{name}");
        held.push(socket);
    }
    held.push(Socket::ready(&address).await);
    // The next handshake of the address exceeds the limit, whatever its token.
    assert_eq!(Answer::to(handshake(&app, HERE)).await.status, 429);
    drop(held.pop());
    while metric(&app, "streams").await > 2 {}
    let (_socket, answer) = initialised("reader").await;
    assert_eq!(answer, Err(1013));
    let by_sse = events(&app, HERE, CHANGES).header("authorization", tokens.bearer("other"));
    assert_eq!(Answer::to(by_sse).await.status, 429);
}

#[apply(on_both_databases)]
async fn behind_a_trusted_proxy_each_client_counts(database: Database) {
    let flags = ["--max-streams-per-caller=1", "--trusted-proxies=127.0.0.1"];
    let app = start!(database, flags[0], flags[1]);
    let forwarded =
        |from: &str, client: &str| events(&app, from, CHANGES).header("x-forwarded-for", client);
    let mut held = Vec::new();
    for client in [
        "198.51.100.7",
        "198.51.100.8",
        "2001:db8::1",
        "2001:db8:0:1::1",
    ] {
        let stream = forwarded(HERE, client).send().await.unwrap();
        assert_eq!(stream.status(), 200, "{client}");
        held.push(stream);
    }
    for client in [
        "198.51.100.7",
        "203.0.113.1, 198.51.100.7",
        "198.51.100.7, 127.0.0.1",
        "2001:db8::2",
    ] {
        let rejected = Answer::to(forwarded(HERE, client)).await;
        assert_eq!(rejected.status, 429, "{client}");
    }
    // The header of an untrusted proxy is ignored.
    held.push(forwarded(THERE, "198.51.100.9").send().await.unwrap());
    let rejected = Answer::to(forwarded(THERE, "198.51.100.10")).await;
    assert_eq!(rejected.status, 429);
}

#[apply(on_both_databases)]
async fn measure_mode_counts_streams_and_rejects_none(database: Database) {
    let app = start!(
        database,
        "--max-streams=1",
        "--max-streams-per-caller=1",
        "--limits-mode=measure",
    );
    let _held = [
        open_events(&app, HERE).await,
        open_events(&app, HERE).await,
        open_events(&app, HERE).await,
    ];
    let _socket = Socket::ready(&app.address.to_string()).await;
    assert_eq!(exceeded(&app, "streams").await, 3);
    assert_eq!(exceeded(&app, "streams_per_caller").await, 3);
    assert_eq!(metric(&app, "streams").await, 4);
}
