//! HTTPS, with HTTP/1.1 and HTTP/2: the same responses and rejections as without TLS.

mod certificate;
mod site;
mod slow;

use std::time::Duration;

use axum::body::Body;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::BodyExt as _;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use self::site::{Client, HTTP_1_1, HTTP_2, Site, post};
use crate::support::{Database, assert_answer, on_both_databases, start};

/// Longer than any expected event takes.
const TIMEOUT: Duration = Duration::from_secs(30);

const CREATE: &str =
    r#"mutation { createArticle(input: { title: "a", slug: "a", text: "" }) { slug } }"#;

#[apply(on_both_databases)]
async fn operations_are_served_over_http_1_1_and_http_2(database: Database) {
    let site = Site::new();
    let [certificate, key] = site.flags();
    let app = start!(database, &certificate, &key);
    let mut http1 = site.client(app.address, HTTP_1_1).await;
    let mut http2 = site.client(app.address, HTTP_2).await;
    let created = http2.ask("localhost", post(CREATE)).await;
    assert_answer!(created, @r#"
    {
      "data": {
        "createArticle": {
          "slug": "a"
        }
      }
    }
    "#);
    let query = post("{ articles { slug title } }");
    assert_answer!(http1.ask("localhost", query).await, @r#"
    {
      "data": {
        "articles": [
          {
            "slug": "a",
            "title": "a"
          }
        ]
      }
    }
    "#);
    // As many concurrent requests as the connection may have.
    let Client::Http2(client) = &http2 else {
        unreachable!()
    };
    let requests = (0..100).map(|_| {
        let mut client = client.clone();
        async move {
            let mut request = post("{ articles { slug } }");
            *request.uri_mut() = "https://localhost/graphql".parse().unwrap();
            client.send_request(request).await.unwrap().status()
        }
    });
    let statuses = futures_util::future::join_all(requests).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[apply(on_both_databases)]
async fn rejections_are_the_same_over_both(database: Database) {
    let site = Site::new();
    let [certificate, key] = site.flags();
    let flags = ["--max-body-bytes=1000", "--request-timeout=2s"];
    let app = start!(database, &certificate, &key, flags[0], flags[1]);
    for alpn in [HTTP_1_1, HTTP_2] {
        let mut outcomes = String::new();
        for (host, request) in [
            ("localhost", post(&" ".repeat(1_000))),
            ("evil.example", post("{ __typename }")),
            ("localhost", endless()),
            (
                "localhost",
                Request::get("/no").body(Body::empty()).unwrap(),
            ),
        ] {
            // HTTP/1.1 closes the connection if a body was not read.
            let answer = site
                .client(app.address, alpn)
                .await
                .ask(host, request)
                .await;
            outcomes.extend([answer.status.to_string(), " ".to_owned(), answer.body]);
            outcomes.push('\n');
        }
        assert_answer!(outcomes, @r#"
        413 {"errors":[{"message":"the body is larger than 1000 bytes","extensions":{"code":"BAD_REQUEST"}}]}
        421 {"errors":[{"message":"requests for the host evil.example are not accepted here; the server's setting ALLOWED_HOSTS lists the accepted ones","extensions":{"code":"BAD_REQUEST"}}]}
        503 {"errors":[{"message":"the request took too long to arrive","extensions":{"code":"TIMEOUT"}}]}
        404 {"errors":[{"message":"there is nothing at this path; GraphQL is served at /graphql","extensions":{"code":"BAD_REQUEST"}}]}
        "#);
    }
}

/// A body that never ends.
fn endless() -> Request<Body> {
    let parts = futures_util::stream::once(async { Ok::<_, std::io::Error>("{") });
    let parts = parts.chain(futures_util::stream::pending());
    Request::post("/graphql")
        .header("content-type", "application/json")
        .body(Body::from_stream(parts))
        .unwrap()
}

#[apply(on_both_databases)]
async fn a_connection_over_the_limit_of_its_address_is_closed(database: Database) {
    let site = Site::new();
    let [certificate, key] = site.flags();
    let limit = "--max-connections-per-address=1";
    let app = start!(database, &certificate, &key, limit);
    for alpn in [HTTP_1_1, HTTP_2] {
        let connect = async |from| site.connect(from, app.address, alpn).await;
        // The previous one is not closed immediately.
        let _held = loop {
            if let Ok(held) = connect("127.0.0.1").await {
                break held;
            }
        };
        assert!(connect("127.0.0.1").await.is_err(), "{alpn}");
        assert!(connect("127.0.0.2").await.is_ok(), "{alpn}");
    }
}

#[apply(on_both_databases)]
async fn twenty_event_streams_share_one_connection(database: Database) {
    let site = Site::new();
    let [certificate, key] = site.flags();
    // The connection that is counted is the one of the client.
    let limit = "--max-connections-per-address=1";
    let app = start!(database, &certificate, &key, limit);
    let mut client = site.client(app.address, HTTP_2).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut subscribe = post("subscription { articleChanges { kind article { slug } } }");
        let events = "text/event-stream".parse().unwrap();
        subscribe.headers_mut().insert("accept", events);
        let response = client.send("localhost", subscribe).await;
        assert_eq!(response.status(), 200);
        streams.push(response.into_body());
    }
    let created = client.ask("localhost", post(CREATE)).await;
    assert_eq!(created.status, 200);
    let change =
        json!({ "data": { "articleChanges": { "kind": "CREATED", "article": { "slug": "a" } } } });
    for stream in &mut streams {
        let mut text = String::new();
        while !text.contains("event: next") {
            let frame = timeout(TIMEOUT, stream.frame()).await.unwrap();
            let data = frame.unwrap().unwrap().into_data().unwrap();
            text += std::str::from_utf8(&data).unwrap();
        }
        let (_, data) = text.split_once("data: ").unwrap();
        let outcomes: Value = serde_json::from_str(data.trim_end()).unwrap();
        assert_eq!(outcomes, change);
    }
}

#[apply(on_both_databases)]
async fn sockets_are_opened_by_http_1_1(database: Database) {
    let site = Site::new();
    let [certificate, key] = site.flags();
    let app = start!(database, &certificate, &key);
    let stream = site.connect("127.0.0.1", app.address, HTTP_1_1).await;
    let mut request = "wss://localhost/graphql".into_client_request().unwrap();
    let headers = request.headers_mut();
    let subprotocol = "graphql-transport-ws".parse().unwrap();
    headers.insert("sec-websocket-protocol", subprotocol);
    headers.insert("origin", "https://localhost".parse().unwrap());
    let connected = tokio_tungstenite::client_async(request, stream.unwrap()).await;
    let (mut socket, _) = connected.unwrap();
    let payload = json!({ "query": "{ __typename }" });
    for message in [
        json!({ "type": "connection_init" }),
        json!({ "id": "1", "type": "subscribe", "payload": payload }),
    ] {
        let message = Message::from(message.to_string());
        socket.send(message).await.unwrap();
    }
    let mut messages = Vec::new();
    while messages.len() < 3 {
        let message = timeout(TIMEOUT, socket.next()).await.unwrap();
        messages.push(message.unwrap().unwrap().into_text().unwrap().to_string());
    }
    assert_answer!(messages.join("\n"), @r#"
    {"type":"connection_ack"}
    {"id":"1","type":"next","payload":{"data":{"__typename":"Query"}}}
    {"id":"1","type":"complete"}
    "#);
}
