//! A client that speaks `graphql-transport-ws`, message by message.

use std::time::Duration;

use broadsheet::graphql::websocket::SUBPROTOCOL;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than any response of a server takes, even on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

/// An acknowledged socket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn ready(address: &str) -> Self {
        let mut socket = Self::initialised(address, None, &Value::Null).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// Connects with this `Authorization` and sends `connection_init` with this payload. The response has not been
    /// received yet.
    pub(crate) async fn initialised(
        address: &str,
        authorization: Option<&str>,
        payload: &Value,
    ) -> Self {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        if let Some(authorization) = authorization {
            headers.insert("authorization", authorization.parse().unwrap());
        }
        let (socket, _) = connect_async(request).await.unwrap();
        let mut socket = Self(socket);
        socket
            .send(&json!({ "type": "connection_init", "payload": payload }))
            .await;
        socket
    }

    /// The next message, or the code with which the server closes.
    pub(crate) async fn receive_or_close(&mut self) -> Result<Value, u16> {
        match self.next().await {
            Some(Message::Text(text)) => Ok(serde_json::from_str(&text).unwrap()),
            Some(Message::Close(Some(frame))) => Err(frame.code.into()),
            _ => Err(0),
        }
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        let payload = json!({ "query": query });
        self.send(&json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
    }

    /// The same, with a token for this operation.
    pub(crate) async fn subscribe_as(&mut self, id: &str, query: &str, authorization: &Value) {
        let extensions = json!({ "authorization": authorization });
        let payload = json!({ "query": query, "extensions": extensions });
        self.send(&json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
    }

    /// Waits until the server has processed everything that was sent.
    pub(crate) async fn is_heard(&mut self) {
        self.send(&json!({ "type": "ping" })).await;
        assert_eq!(self.receive().await, json!({ "type": "pong" }));
    }

    async fn send(&mut self, message: &Value) {
        // A closing server may no longer accept it; only its response counts.
        let _ = self.0.send(Message::from(message.to_string())).await;
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// The code with which the server closes, without a message before; 0 if there is none.
    pub(crate) async fn closed(&mut self) -> u16 {
        match self.next().await {
            Some(Message::Close(Some(frame))) => frame.code.into(),
            Some(Message::Close(None)) | None => 0,
            other => panic!("expected the end, got {other:?}"),
        }
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
}
