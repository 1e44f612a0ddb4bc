//! The same request on every transport: the responses must be equal.

use broadsheet::graphql::websocket::SUBPROTOCOL;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::client;

/// How a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Post,
    Get,
    Events,
    EventsByGet,
    WebSocket,
}

impl Transport {
    pub(crate) const ALL: [Self; 5] = [
        Self::Post,
        Self::Get,
        Self::Events,
        Self::EventsByGet,
        Self::WebSocket,
    ];

    /// The transports that serve mutations.
    pub(crate) const FOR_MUTATIONS: [Self; 3] = [Self::Post, Self::Events, Self::WebSocket];

    /// The transports that serve subscriptions.
    pub(crate) const FOR_SUBSCRIPTIONS: [Self; 3] =
        [Self::Events, Self::EventsByGet, Self::WebSocket];

    /// The first response to the request at `url`, the URL of `/graphql`.
    pub(crate) async fn ask(self, url: &str, request: &Value) -> Value {
        let accept = match self {
            Self::Events | Self::EventsByGet => "text/event-stream",
            _ => "application/json",
        };
        let http = match self {
            Self::WebSocket => return by_websocket(url, request).await,
            Self::Post | Self::Events => client()
                .post(url)
                .header("content-type", "application/json")
                .body(request.to_string()),
            Self::Get | Self::EventsByGet => {
                let parameters = request.as_object().unwrap().iter();
                let parameters = parameters.map(|(name, value)| match value {
                    Value::String(text) => (name.as_str(), text.clone()),
                    other => (name.as_str(), other.to_string()),
                });
                let url = url::encoded(url, parameters);
                client().get(url)
            }
        };
        let http = http.header("x-request-id", "the-request-id");
        let response = http.header("accept", accept).send().await.unwrap();
        let content_type = response.headers()["content-type"].clone();
        if content_type != "text/event-stream; charset=utf-8" {
            return response.json().await.unwrap();
        }
        // A subscription does not end.
        let (mut chunks, mut text) = (response.bytes_stream(), String::new());
        loop {
            let chunk = chunks.next().await.unwrap().unwrap();
            text.push_str(str::from_utf8(&chunk).unwrap());
            let data = text.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(Ok(answer)) = data.map(serde_json::from_str) {
                return answer;
            }
        }
    }
}

async fn by_websocket(url: &str, request: &Value) -> Value {
    let url = url.replacen("http", "ws", 1);
    let mut handshake = url.into_client_request().unwrap();
    let headers = handshake.headers_mut();
    headers.insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    );
    headers.insert("x-request-id", HeaderValue::from_static("the-request-id"));
    let (mut socket, _) = connect_async(handshake).await.unwrap();
    for message in [
        json!({ "type": "connection_init" }),
        json!({ "id": "1", "type": "subscribe", "payload": request }),
    ] {
        socket
            .send(Message::from(message.to_string()))
            .await
            .unwrap();
    }
    loop {
        let message = socket.next().await.unwrap().unwrap();
        let Ok(text) = message.into_text() else {
            continue;
        };
        let Ok(mut message) = serde_json::from_str::<Value>(&text) else {
            panic!("the socket sent {text}");
        };
        match message["type"].as_str() {
            Some("next") => return message["payload"].take(),
            Some("error") => return json!({ "errors": message["payload"].take() }),
            _ => {}
        }
    }
}

mod url {
    use std::fmt::Write as _;

    pub(super) fn encoded<'a>(
        url: &str,
        parameters: impl Iterator<Item = (&'a str, String)>,
    ) -> String {
        let mut encoded = format!("{url}?");
        for (name, value) in parameters {
            write!(encoded, "{name}=").unwrap();
            for byte in value.bytes() {
                write!(encoded, "%{byte:02X}").unwrap();
            }
            encoded.push('&');
        }
        encoded
    }
}
