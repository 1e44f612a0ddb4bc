//! A subscriber to `articleChanges`, over a WebSocket or SSE, light enough to run a thousand of them on the machine of
//! the server.

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use memchr::memmem::find;
use serde::Serialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

const DOCUMENT: &str = "subscription Changes($after: String) {\n  articleChanges(after: $after) {\n    cursor\n    kind\n    \
    article {\n      id\n      title\n      slug\n      text\n      createdAt\n      updatedAt\n    }\n  }\n}";
const BUFFER_BYTES: usize = 4 * 1024;

/// How a subscriber is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transport {
    WebSocket,
    Sse,
}

impl Transport {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::WebSocket => "WebSocket",
            Self::Sse => "SSE",
        }
    }
}

/// One connection with one subscription.
pub(super) enum Subscriber {
    WebSocket(Box<WebSocketStream<TcpStream>>),
    Sse(BufReader<TcpStream>),
}

/// What a subscriber has received.
pub(super) struct Received {
    /// The slug of the article that was changed.
    pub(super) slug: String,
    pub(super) at: Instant,
}

impl Subscriber {
    /// Connects and subscribes to the changes after the cursor.
    pub(super) async fn open(port: u16, transport: Transport, after: &str) -> Result<Self> {
        match transport {
            Transport::WebSocket => web_socket(port, after).await,
            Transport::Sse => sse(port, after).await,
        }
    }

    /// Reports every event that it receives, and an error last; ends when it is aborted or the receiver of the reports is
    /// dropped.
    pub(super) async fn listen(mut self, reports: UnboundedSender<Result<Received>>) {
        loop {
            let received = self.next().await;
            let is_over = received.is_err();
            if reports.send(received).is_err() || is_over {
                return;
            }
        }
    }

    async fn next(&mut self) -> Result<Received> {
        match self {
            Self::WebSocket(socket) => loop {
                let message = socket.next().await.context("the socket ended")??;
                if let Message::Text(text) = message {
                    return received(text.as_str());
                }
            },
            Self::Sse(stream) => loop {
                let chunk = chunk(stream).await?;
                // Anything else is a comment.
                if chunk.starts_with("event:") {
                    return received(&chunk);
                }
            },
        }
    }
}

async fn web_socket(port: u16, after: &str) -> Result<Subscriber> {
    let mut request = format!("ws://127.0.0.1:{port}/graphql").into_client_request()?;
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", protocol);
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES);
    let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
    let (mut socket, _) = opened.await?;
    let init = Message::text(json!({ "type": "connection_init" }).to_string());
    socket.send(init).await?;
    let acknowledged = socket.next().await.context("the socket ended")??;
    let acknowledged = acknowledged.to_text()?;
    ensure!(acknowledged.contains("connection_ack"), "{acknowledged}");
    let payload = json!({ "query": DOCUMENT, "variables": { "after": after } });
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    socket.send(Message::text(subscribe.to_string())).await?;
    Ok(Subscriber::WebSocket(Box::new(socket)))
}

async fn sse(port: u16, after: &str) -> Result<Subscriber> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let body = json!({ "query": DOCUMENT, "variables": { "after": after } }).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: text/event-stream\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
    let status = line(&mut stream).await?;
    ensure!(status.starts_with("HTTP/1.1 200 "), "{status}");
    while !line(&mut stream).await?.is_empty() {}
    Ok(Subscriber::Sse(stream))
}

async fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    ensure!(read > 0, "the server closed the connection");
    Ok(line.trim_end().to_owned())
}

/// The next chunk of a body of unknown length: Broadsheet writes each event as one.
async fn chunk(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let length = usize::from_str_radix(&line(stream).await?, 16)?;
    ensure!(length > 0, "the stream ended");
    let mut chunk = vec![0; length + 2];
    stream.read_exact(&mut chunk).await?;
    chunk.truncate(length);
    Ok(String::from_utf8(chunk)?)
}

fn received(message: &str) -> Result<Received> {
    const BEFORE: &str = r#""slug":""#;
    let at = Instant::now();
    let slug = find(message.as_bytes(), BEFORE.as_bytes())
        .and_then(|start| message.get(start + BEFORE.len()..))
        .and_then(|rest| rest.split_once('"'));
    match slug {
        Some((slug, _)) => Ok(Received {
            slug: slug.to_owned(),
            at,
        }),
        None => bail!("no change: {message}"),
    }
}
