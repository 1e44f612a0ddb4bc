//! The API in another axum program: `examples/embed.rs`, by async-graphql's integration of axum.

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::{Database, OwnDatabase, Settings, assert_answer, client, on_both_databases};
use crate::transports::Transport;

#[path = "../../examples/embed.rs"]
#[expect(
    dead_code,
    reason = "the test opens a port of its own, as its `main` does"
)]
mod example;

/// The program, on a free port.
struct Program {
    url: String,
    _database: OwnDatabase,
}

impl Program {
    async fn start(database: Database) -> Option<Self> {
        let database = database.migrated().await?;
        let settings = Settings::new(&database.url, &[]).database;
        let (router, _) = example::router(&settings).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Some(Self {
            url,
            _database: database,
        })
    }

    fn graphql(&self) -> String {
        format!("{}/articles/graphql", self.url)
    }

    /// The response to a POST, with its status.
    async fn post(&self, body: String) -> (u16, String) {
        let request = client().post(self.graphql()).body(body);
        let request = request.header("content-type", "application/json");
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn ask(&self, query: &str) -> String {
        let (status, body) = self.post(json!({ "query": query }).to_string()).await;
        assert_eq!(status, 200);
        body
    }
}

#[apply(on_both_databases)]
async fn another_program_serves_queries_and_mutations(database: Database) {
    let Some(program) = Program::start(database).await else {
        return;
    };
    let own = client().get(&program.url).send().await.unwrap();
    assert_eq!(own.text().await.unwrap(), "a program with articles\n");
    let create = r#"mutation {
        one: createArticle(input: { title: "A", text: "a" }) { version slug }
        two: createArticle(input: { title: "", text: "" }) { id }
        three: createArticle(input: { title: "B", slug: "a", text: "" }) { id }
    }"#;
    assert_answer!(program.ask(create).await, @r#"{"data":{"one":{"version":1,"slug":"a"},"two":null,"three":null},"errors":[{"message":"title must have 1 to 65 characters, but it is empty","locations":[{"line":3,"column":9}],"path":["two"],"extensions":{"code":"BAD_USER_INPUT","field":"input.title"}},{"message":"the slug \"a\" belongs to another article","locations":[{"line":4,"column":9}],"path":["three"],"extensions":{"code":"SLUG_TAKEN","field":"input.slug"}}]}"#);
    let read = r#"query {
        list: articles { ...shown ... on Node { __typename } }
        __type(name: "Node") { name }
        articlesConnection(last: 1) { edges { node { title } } totalCount }
        article(by: { slug: "none" }) { id }
        __typename
    }
    fragment shown on Article { text title }"#;
    assert_answer!(program.ask(read).await, @r#"{"data":{"list":[{"text":"a","title":"A","__typename":"Article"}],"__type":{"name":"Node"},"articlesConnection":{"edges":[{"node":{"title":"A"}}],"totalCount":1},"article":null,"__typename":"Query"}}"#);
}

#[apply(on_both_databases)]
async fn the_guard_also_protects_an_embedding_program(database: Database) {
    let Some(program) = Program::start(database).await else {
        return;
    };
    assert_answer!(program.ask("{").await, @r#"{"data":null,"errors":[{"message":"syntax error: expected at least one Selection in Selection Set","locations":[{"line":1,"column":2}],"extensions":{"code":"GRAPHQL_PARSE_FAILED"}},{"message":"syntax error: expected \"}\", got EOF","locations":[{"line":1,"column":2}],"extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}"#);
    assert_answer!(program.ask("{ nothing }").await, @r#"{"data":null,"errors":[{"message":"type `Query` does not have a field `nothing`","locations":[{"line":1,"column":3}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}"#);
    let fields: Vec<_> = (0..=50)
        .map(|number| format!("a{number}: __typename"))
        .collect();
    let fields = fields.join(" ");
    assert_answer!(program.ask(&format!("{{ {fields} }}")).await, @r#"{"data":null,"errors":[{"message":"The document is too complex: its number of root fields is 51, and 50 is allowed.","extensions":{"code":"TOO_COMPLEX","limit":{"name":"rootFields","max":50,"value":51}}}]}"#);
    assert_answer!(program.ask("subscription { articleChanges { cursor } }").await, @r#"{"data":null,"errors":[{"message":"a subscription needs a transport of many responses, such as a WebSocket","extensions":{"code":"BAD_REQUEST"}}]}"#);
    let (status, body) = program
        .post("[{\"query\":\"{__typename}\"}]".to_owned())
        .await;
    assert_answer!(format!("{status} {body}"), @r#"200 {"data":null,"errors":[{"message":"batches are not supported; send the requests one by one","extensions":{"code":"BAD_REQUEST"}}]}"#);
    let too_large = json!({ "query": "{__typename}", "variables": { "x": "x".repeat(1 << 20) } });
    let (status, _) = program.post(too_large.to_string()).await;
    assert_eq!(status, 413);
}

#[apply(on_both_databases)]
async fn another_program_serves_subscriptions(database: Database) {
    let Some(program) = Program::start(database).await else {
        return;
    };
    let mut handshake = program
        .graphql()
        .replacen("http", "ws", 1)
        .into_client_request()
        .unwrap();
    handshake.headers_mut().insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static("graphql-transport-ws"),
    );
    let (mut socket, _) = connect_async(handshake).await.unwrap();
    let query = "subscription { articleChanges { kind article { title version } } }";
    for message in [
        json!({ "type": "connection_init" }),
        json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }),
    ] {
        let message = Message::from(message.to_string());
        socket.send(message).await.unwrap();
    }
    let mut number = 0;
    let event = loop {
        // Only articles created after the subscription has begun are its events.
        number += 1;
        let create = format!(
            "mutation {{ createArticle(input: {{ title: \"{number}\", text: \"\" }}) {{ id }} }}"
        );
        program.ask(&create).await;
        let message = tokio::time::timeout(std::time::Duration::from_millis(500), socket.next());
        let Ok(Some(message)) = message.await else {
            assert!(number < 100, "no change came");
            continue;
        };
        let message: Value = serde_json::from_str(&message.unwrap().into_text().unwrap()).unwrap();
        if message["type"] != "connection_ack" {
            break message;
        }
    };
    assert_eq!(event["type"], "next", "{event}");
    let change = &event["payload"]["data"]["articleChanges"];
    assert_eq!(change["kind"], "CREATED", "{event}");
    assert_eq!(change["article"]["version"], 1, "{event}");
    // The next one is rejected by the guard.
    let request = json!({ "query": "subscription { articleChanges { nothing } }" });
    let url = program.graphql();
    let rejected = Transport::WebSocket.ask(&url, &request).await;
    let code = &rejected["errors"][0]["extensions"]["code"];
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{rejected}");
}
