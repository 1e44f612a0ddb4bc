//! Limits on callers: each is reached and then exceeded by one.

mod bodies;
mod connections;
mod cost;
mod operations;
mod queue;
mod responses;
mod streams;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::{Answer, TestApp};

/// Longer than any expected event takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Two addresses of this machine, for two callers.
const HERE: &str = "127.0.0.1";
const THERE: &str = "127.0.0.2";

pub(crate) async fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from: IpAddr = from.parse().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// The status of the response to a request on this connection, which stays open; `None` if the server closes it
/// without one.
async fn ask(stream: &mut TcpStream) -> Option<u16> {
    let request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.ok()?;
    status_of(stream).await
}

async fn status_of(stream: &mut TcpStream) -> Option<u16> {
    let mut head = [0; 512];
    let length = timeout(TIMEOUT, stream.read(&mut head)).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length.ok()?]).into_owned();
    head.split(' ').nth(1)?.parse().ok()
}

/// A client that calls from this address.
fn client_from(address: &str) -> reqwest::Client {
    let address: IpAddr = address.parse().unwrap();
    let client = reqwest::Client::builder().no_proxy();
    client.local_address(address).build().unwrap()
}

/// How often the limit was exceeded. The metrics are requested from another address.
async fn exceeded(app: &TestApp, limit: &str) -> u64 {
    metric(
        app,
        &format!("caller_limits_exceeded_total{{limit=\"{limit}\"}}"),
    )
    .await
}

async fn metric(app: &TestApp, name: &str) -> u64 {
    let metrics = client_from("127.0.0.9").get(app.url("/metrics"));
    let metrics = Answer::to(metrics).await.body;
    let name = format!("broadsheet_{name} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    value.unwrap().parse().unwrap()
}

/// The parts of a response that are about limits: the status, the headers of rate limits, and the body.
fn about_limits(answer: &Answer) -> String {
    let names = ["retry-after", "ratelimit", "ratelimit-policy"];
    let headers = names.map(|name| {
        let value = answer.headers.get(name)?;
        Some(format!("{name}: {}\n", value.to_str().unwrap()))
    });
    let headers: String = headers.into_iter().flatten().collect();
    format!("{}\n{headers}{}", answer.status, answer.body)
}
