//! HTTP/2 frame by frame, as no well-behaved client speaks it.

use tokio::io::{ReadHalf, WriteHalf, split};
use tokio_rustls::client::TlsStream;

use super::super::http2::{MAX_RESETS, MAX_STREAMS};
use super::secure::Secure;
use super::*;

// Frame types (RFC 9113, section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

// Error codes (section 7).
const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A complete request for a path.
fn get(stream: u32, path: &str) -> Vec<u8> {
    // GET and https from HPACK's static table, then the path and the host as literals without indexing.
    let mut block = vec![0x82, 0x87];
    for (name, value) in [(0x04, path), (0x01, "localhost")] {
        block.extend([name, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

struct Client {
    write: WriteHalf<TlsStream<TcpStream>>,
    read: ReadHalf<TlsStream<TcpStream>>,
}

impl Client {
    async fn connect(server: &Secure) -> Self {
        let (read, mut write) = split(server.connect("h2").await);
        write
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut client = Self { write, read };
        client.send(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        client
    }

    async fn send(&mut self, frames: &[u8]) -> std::io::Result<()> {
        self.write.write_all(frames).await
    }

    /// The next frame; `None` when the connection is closed.
    async fn receive(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = timeout(TIMEOUT, self.read.read_exact(&mut head)).await;
        read.unwrap().ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.read.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The error code with which the server closes the connection.
    async fn end(&mut self) -> u32 {
        loop {
            let frame = self.receive().await.expect("it ended without a word");
            if frame.kind == GOAWAY {
                return u32::from_be_bytes(frame.payload[4..8].try_into().unwrap());
            }
        }
    }
}

async fn server() -> Secure {
    let never = axum::routing::get(async || std::future::pending::<()>().await);
    let routes = routes().route("/never", never);
    Secure::start(
        ConnectionSettings::default(),
        routes,
        CancellationToken::new(),
    )
    .await
}

#[tokio::test]
async fn a_stream_over_the_limit_is_rejected() {
    let mut client = Client::connect(&server().await).await;
    for number in 0..=MAX_STREAMS {
        client.send(&get(2 * number + 1, "/never")).await.unwrap();
    }
    let reset = loop {
        let frame = client.receive().await.unwrap();
        if frame.kind == RST_STREAM {
            break frame;
        }
        assert_ne!(frame.kind, GOAWAY, "{:?}", frame.payload);
    };
    assert_eq!(reset.stream, 2 * MAX_STREAMS + 1);
    assert_eq!(reset.payload, REFUSED_STREAM.to_be_bytes());
    // The earlier streams are still open, and with one fewer there is room for another.
    let next = 2 * MAX_STREAMS + 3;
    client.send(&cancel(1)).await.unwrap();
    client.send(&get(next, "/length")).await.unwrap();
    let answer = loop {
        let frame = client.receive().await.unwrap();
        if frame.kind == HEADERS {
            break frame;
        }
    };
    assert_eq!(answer.stream, next);
}

/// Browsers then open WebSockets by HTTP/1.1 (RFC 8441, section 3).
#[tokio::test]
async fn web_sockets_are_not_offered() {
    const ENABLE_CONNECT_PROTOCOL: u16 = 8;
    let mut client = Client::connect(&server().await).await;
    let settings = client.receive().await.unwrap();
    assert_eq!(settings.kind, SETTINGS);
    let names = settings
        .payload
        .chunks(6)
        .map(|one| u16::from_be_bytes([one[0], one[1]]));
    assert!(
        !names
            .into_iter()
            .any(|name| name == ENABLE_CONNECT_PROTOCOL)
    );
    let mut block = vec![0x87];
    for (name, value) in [(0x02, "CONNECT"), (0x04, "/length"), (0x01, "localhost")] {
        block.extend([name, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    // A literal name that is not in HPACK's table.
    block.extend([0, 9]);
    block.extend(b":protocol");
    block.push(9);
    block.extend(b"websocket");
    let connect = frame(HEADERS, END_HEADERS, 1, &block);
    client.send(&connect).await.unwrap();
    loop {
        let frame = client.receive().await.unwrap();
        assert_ne!(frame.kind, HEADERS);
        if frame.kind == RST_STREAM {
            assert_eq!(frame.payload, PROTOCOL_ERROR.to_be_bytes());
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_rapidly_resets_streams_is_disconnected() {
    let mut client = Client::connect(&server().await).await;
    // In one write, so that the server sees none of them before it is reset.
    let count = 10 * u32::try_from(MAX_RESETS).unwrap();
    let streams = (0..count).map(|number| 2 * number + 1);
    let frames: Vec<u8> = streams
        .flat_map(|stream| [get(stream, "/never"), cancel(stream)].concat())
        .collect();
    client.send(&frames).await.unwrap();
    assert_eq!(client.end().await, ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn endless_continuation_frames_end_the_connection() {
    let server = server().await;
    let mut client = Client::connect(&server).await;
    let begun = frame(HEADERS, END_STREAM, 1, &[0x82]);
    client.send(&begun).await.unwrap();
    let part = frame(CONTINUATION, 0, 1, &[0x82; 1_000]);
    while client.send(&part).await.is_ok() {}
    let mut other = Client::connect(&server).await;
    other.send(&get(1, "/length")).await.unwrap();
    while other.receive().await.unwrap().kind != HEADERS {}
}
