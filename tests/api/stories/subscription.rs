//! One subscription to all changes, over a WebSocket (`graphql-transport-ws`) or as an event stream.

use broadsheet::graphql::websocket::SUBPROTOCOL;
use futures_util::{SinkExt as _, StreamExt as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::received::Change;
use super::servers::code;
use crate::support::client;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
    Events,
}

/// A connection with one subscription.
pub(super) enum Subscription {
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    Events {
        response: reqwest::Response,
        unread: Vec<u8>,
    },
}

/// Why a subscription ended that can be resumed: the server or its database is unavailable.
#[derive(Debug)]
pub(super) struct Lost(#[expect(dead_code, reason = "shown where a story fails")] String);

impl<E: std::error::Error> From<E> for Lost {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl Subscription {
    /// Subscribes from `begin`, or resumes after `last` in the way of its transport.
    pub(super) async fn open(
        transport: Transport,
        address: &str,
        begin: &str,
        last: Option<&str>,
    ) -> Result<Self, Lost> {
        let query = format!(
            "subscription($after: String!) {{ articleChanges(after: $after) {{ {} }} }}",
            Change::FIELDS
        );
        match transport {
            Transport::WebSocket => web_socket(address, &query, last.unwrap_or(begin)).await,
            Transport::Events => events(address, &query, begin, last).await,
        }
    }

    /// The next change.
    ///
    /// # Panics
    ///
    /// If the subscription ends for any reason other than [`Lost`].
    pub(super) async fn next(&mut self) -> Result<Change, Lost> {
        match self {
            Self::WebSocket(socket) => {
                let mut message = read(socket).await?;
                let id = &message["id"];
                assert!(message["type"] == "next" && id == "1", "{message}");
                let payload = message["payload"].take();
                change(payload)
            }
            Self::Events { response, unread } => loop {
                if let Some(end) = unread.windows(2).position(|two| two == b"\n\n") {
                    let event: Vec<u8> = unread.drain(..end + 2).collect();
                    let event = String::from_utf8(event).unwrap();
                    // A comment, or an event with only an id, keeps the connection alive.
                    if !event.contains("data: ") {
                        continue;
                    }
                    return next_event(&event);
                }
                let chunk = response.chunk().await?;
                unread.extend(chunk.ok_or_else(|| Lost("the stream was cut off".to_owned()))?);
            },
        }
    }
}

async fn web_socket(address: &str, query: &str, after: &str) -> Result<Subscription, Lost> {
    let mut request = format!("ws://{address}/graphql")
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    let (mut socket, _) = connect_async(request).await?;
    send(&mut socket, &json!({ "type": "connection_init" })).await?;
    let acknowledged = read(&mut socket).await?;
    assert_eq!(acknowledged, json!({ "type": "connection_ack" }));
    let payload = json!({ "query": query, "variables": { "after": after } });
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    send(&mut socket, &subscribe).await?;
    Ok(Subscription::WebSocket(Box::new(socket)))
}

async fn send(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    message: &Value,
) -> tungstenite::Result<()> {
    socket.send(Message::from(message.to_string())).await
}

async fn read(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<Value, Lost> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let mut message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == "error" {
                    return Err(unavailable(&json!({ "errors": message["payload"].take() })));
                }
                return Ok(message);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1013 => {
                return Err(Lost("the database was away for too long".to_owned()));
            }
            Some(Ok(message)) => panic!("{message:?}"),
            Some(Err(error)) => return Err(error.into()),
            None => return Err(Lost("the socket was cut off".to_owned())),
        }
    }
}

/// Requests the stream like a browser's `EventSource`, which repeats its URL and sends its position in a header.
async fn events(
    address: &str,
    query: &str,
    begin: &str,
    last: Option<&str>,
) -> Result<Subscription, Lost> {
    let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
    let variables = json!({ "after": begin }).to_string();
    let variables = utf8_percent_encode(&variables, NON_ALPHANUMERIC);
    let url = format!("http://{address}/graphql?query={query}&variables={variables}");
    let mut request = client().get(url).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = request.send().await?;
    let status = response.status().as_u16();
    if status == 503 {
        return Err(Lost("503".to_owned()));
    }
    assert_eq!(status, 200, "{}", response.text().await?);
    Ok(Subscription::Events {
        response,
        unread: Vec::new(),
    })
}

fn next_event(event: &str) -> Result<Change, Lost> {
    let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
    assert_eq!(field("event: "), Some("next"), "{event}");
    let change = change(serde_json::from_str(field("data: ").unwrap()).unwrap())?;
    assert_eq!(field("id: "), Some(change.cursor.as_str()), "{event}");
    Ok(change)
}

fn change(mut answer: Value) -> Result<Change, Lost> {
    if answer.get("errors").is_some() {
        return Err(unavailable(&answer));
    }
    Ok(serde_json::from_value(answer["data"]["articleChanges"].take()).unwrap())
}

fn unavailable(answer: &Value) -> Lost {
    let code = code(answer);
    assert!(["UNAVAILABLE", "TIMEOUT"].contains(&code), "{answer}");
    Lost(code.to_owned())
}
