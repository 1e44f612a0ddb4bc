//! The `graphql-transport-ws` protocol, message by message and code by code.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use graphql_transports::websocket::{SUBPROTOCOL, WebSocketSettings};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::server::{Server, TIMEOUT};

mod closing;
mod codes;
mod fragments;
mod slow;

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// The close that the client has received: code and reason.
type Closed = (u16, String);

impl Client {
    /// Connects with these headers; the error is the status of the response.
    async fn connect(server: &Server, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = server.url("ws").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// A socket on which no message was sent.
    async fn open(server: &Server) -> Self {
        let headers = [("sec-websocket-protocol", SUBPROTOCOL)];
        Self::connect(server, &headers).await.unwrap()
    }

    /// A socket that is ready for operations.
    async fn ready(server: &Server) -> Self {
        let mut client = Self::open(server).await;
        client.send(json!({ "type": "connection_init" })).await;
        assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
        client
    }

    async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    async fn send_text(&mut self, text: &str) {
        // A server that is closing may no longer accept it; the test checks its response.
        let _ = self.0.send(Message::from(text)).await;
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        let payload = json!({ "query": query });
        self.send(json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            match timeout(TIMEOUT, self.0.next()).await.unwrap() {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    async fn receive(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a text message, got {other:?}"),
        }
    }

    /// The close, without any message before it.
    async fn closed(&mut self) -> Closed {
        match self.next().await {
            Some(Message::Close(frame)) => {
                let frame = frame.unwrap();
                assert_eq!(self.next().await, None);
                (frame.code.into(), frame.reason.to_string())
            }
            other => panic!("expected the end, got {other:?}"),
        }
    }

    /// True if no message arrives for a moment.
    async fn is_quiet(&mut self) -> bool {
        timeout(Duration::from_millis(100), self.0.next())
            .await
            .is_err()
    }
}

fn code(code: u16, reason: &str) -> Closed {
    (code, reason.to_owned())
}

fn next(id: &str, number: u64) -> Value {
    let data = json!({ "n": number, "text": "" });
    json!({ "id": id, "type": "next", "payload": { "data": data } })
}

fn complete(id: &str) -> Value {
    json!({ "id": id, "type": "complete" })
}

#[tokio::test]
async fn an_operation_with_one_result_is_next_and_complete() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    let init = json!({ "token": "right" });
    client
        .send(json!({ "type": "connection_init", "payload": init }))
        .await;
    assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
    let payload = json!({ "query": "caller", "variables": { "x": "é\"" } });
    client
        .send(json!({ "id": "\"1", "type": "subscribe", "payload": payload }))
        .await;
    let expected = json!({ "id": "\"1", "type": "next", "payload": { "data": {
        "transport": "WebSocket", "init": init, "requestId": "request-7",
        "variables": { "x": "é\"" },
    } } });
    assert_eq!(client.receive().await, expected);
    assert_eq!(client.receive().await, complete("\"1"));
}

#[tokio::test]
async fn a_subscription_is_its_events_and_complete_and_frees_its_id() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    for _ in 0..20 {
        client.subscribe("1", "count 2").await;
        assert_eq!(client.receive().await, next("1", 1));
        assert_eq!(client.receive().await, next("1", 2));
        assert_eq!(client.receive().await, complete("1"));
    }
}

#[tokio::test]
async fn a_request_error_is_error_without_complete_and_frees_its_id() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    for _ in 0..2 {
        client.subscribe("1", "rejected").await;
        let errors = json!([{ "message": "no", "extensions": { "code": "GRAPHQL_PARSE_FAILED" } }]);
        let expected = json!({ "id": "1", "type": "error", "payload": errors });
        assert_eq!(client.receive().await, expected);
    }
    assert!(client.is_quiet().await);
}

#[tokio::test]
async fn a_panic_in_one_operation_is_its_error_and_leaves_the_others() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "unheard-of").await;
    let extensions = json!({ "code": "INTERNAL", "requestId": "request-7" });
    let message = "something went wrong on our side; tell us the request id";
    let errors = json!([{ "message": message, "extensions": extensions }]);
    let expected = json!({ "id": "1", "type": "error", "payload": errors });
    assert_eq!(client.receive().await, expected);
    client.subscribe("1", "count 1").await;
    assert_eq!(client.receive().await, next("1", 1));
}

#[tokio::test]
async fn a_clients_complete_stops_the_operation_silently() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "silent").await;
    server.until(&server.engine.open, 1).await;
    client.send(complete("1")).await;
    server.until(&server.engine.open, 0).await;
    client.send(complete("never begun")).await;
    assert!(client.is_quiet().await);
}

#[tokio::test]
async fn messages_of_a_stopped_operation_do_not_reach_a_new_one_with_its_id() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "forever").await;
    // The queue is full of the old operation's events when the new one with the same id begins.
    server.standstill().await;
    client.send(complete("1")).await;
    client.subscribe("1", "count 1").await;
    client.subscribe("2", "count 1").await;
    let mut received = Vec::new();
    while received.last() != Some(&complete("2")) {
        let message = client.receive().await;
        if received.is_empty() && message["payload"]["data"]["text"] != "" {
            // Sent before the server had received the `complete`.
            continue;
        }
        received.push(message);
    }
    let of_the_first: Vec<_> = received
        .iter()
        .filter(|message| message["id"] == "1")
        .collect();
    assert_eq!(of_the_first, [&next("1", 1), &complete("1")]);
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_before_and_after_the_acknowledgement() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.receive().await, json!({ "type": "pong" }));
    client.send(json!({ "type": "connection_init" })).await;
    assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
    client.send(json!({ "type": "pong", "payload": {} })).await;
    client
        .send(json!({ "type": "ping", "payload": { "n": 1 } }))
        .await;
    assert_eq!(
        client.receive().await,
        json!({ "type": "pong", "payload": { "n": 1 } })
    );
}

#[tokio::test]
async fn an_operation_over_the_limit_is_rejected_and_others_continue() {
    let server = Server::with(|settings| settings.operations = 2).await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "stuck").await;
    client.subscribe("2", "silent").await;
    client.subscribe("3", "count 1").await;
    let extensions = json!({ "code": "TOO_COMPLEX", "limit": 2, "value": 3 });
    let message = "at most 2 operations may run on one socket";
    let errors = json!([{ "message": message, "extensions": extensions }]);
    let expected = json!({ "id": "3", "type": "error", "payload": errors });
    assert_eq!(client.receive().await, expected);
    client.send(complete("1")).await;
    client.subscribe("3", "count 1").await;
    assert_eq!(client.receive().await, next("3", 1));
}

#[tokio::test]
async fn every_socket_closes_with_1001_when_the_server_stops() {
    let server = Server::start().await;
    let mut opened = Client::open(&server).await;
    let mut calm = Client::ready(&server).await;
    calm.subscribe("1", "silent").await;
    let mut blocked = Client::ready(&server).await;
    blocked.subscribe("1", "forever").await;
    server.standstill().await;
    server.shutdown.token().cancel();
    let expected = code(1001, "The server is shutting down");
    assert_eq!(opened.closed().await, expected);
    assert_eq!(calm.closed().await, expected);
    server.until(&server.engine.open, 0).await;
    // The close follows messages that were written before, if the client reads in time.
    let frame = loop {
        match blocked.next().await {
            Some(Message::Close(frame)) => break frame.unwrap(),
            Some(message) => assert!(message.is_text(), "{message:?}"),
            None => panic!("no code"),
        }
    };
    assert_eq!(u16::from(frame.code), 1001);
}

#[tokio::test]
async fn a_client_that_closes_ends_its_operations_and_gets_its_own_code_back() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "silent").await;
    server.until(&server.engine.open, 1).await;
    let frame = tungstenite::protocol::CloseFrame {
        code: 1000.into(),
        reason: "done".into(),
    };
    client.0.close(Some(frame)).await.unwrap();
    assert_eq!(client.closed().await, code(1000, "done"));
    server.until(&server.engine.open, 0).await;
}

#[tokio::test]
async fn a_client_that_vanishes_ends_its_operations() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "silent").await;
    server.until(&server.engine.open, 1).await;
    drop(client);
    server.until(&server.engine.open, 0).await;
}

#[tokio::test]
async fn pages_of_foreign_origins_get_403_and_others_a_socket() {
    let server =
        Server::with(|settings| settings.origins = vec!["https://front.example".to_owned()]).await;
    let connect = async |origin: &str| {
        let headers = [("sec-websocket-protocol", SUBPROTOCOL), ("origin", origin)];
        Client::connect(&server, &headers).await.map(|_| ())
    };
    assert_eq!(connect(&format!("http://{}", server.address)).await, Ok(()));
    assert_eq!(connect("https://front.example").await, Ok(()));
    assert_eq!(connect("https://evil.example").await, Err(403));
    assert_eq!(connect("null").await, Err(403));
}
