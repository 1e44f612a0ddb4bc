//! Each test starts its own server and talks to it over a raw connection.

mod http2;
mod http2_frames;
mod peer;
mod secure;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::*;

/// Longer than any expected event takes.
const TIMEOUT: Duration = Duration::from_secs(10);
const HEAD_TIMEOUT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn an_incomplete_head_times_out() {
    let address = start(routes(), CancellationToken::new()).await;
    for beginning in ["", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        // A byte now and then does not count as progress.
        let answer = loop {
            let mut byte = [0];
            match timeout(HEAD_TIMEOUT / 10, stream.read(&mut byte)).await {
                Ok(Ok(count)) => break count,
                Ok(Err(_)) => break 0,
                Err(_) if beginning.is_empty() => {}
                Err(_) => drop(stream.write_all(b"a").await),
            }
            assert!(began.elapsed() < TIMEOUT);
        };
        assert_eq!(answer, 0, "{beginning:?}");
        assert!(began.elapsed() >= HEAD_TIMEOUT, "{beginning:?}");
    }
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    let address = start(routes(), CancellationToken::new()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(HEAD_TIMEOUT / 2).await;
        assert_eq!(ask(&mut stream, "/length").await, "200 OK");
    }
    // A response may take longer than the head of a request.
    assert_eq!(ask(&mut stream, "/slow").await, "200 OK");
    let rest = timeout(TIMEOUT, stream.read(&mut [0])).await.unwrap();
    assert_eq!(rest.unwrap(), 0);
}

#[tokio::test]
async fn a_head_of_many_kilobytes_is_accepted_and_a_larger_one_is_rejected() {
    let address = start(routes(), CancellationToken::new()).await;
    let longest = "a".repeat(ConnectionSettings::default().head_bytes);
    let longer = longest.repeat(2);
    for (query, cookie, expected) in [
        (&longest[..12 * 1024], "", "200 OK"),
        (&longest[..48 * 1024], "", "200 OK"),
        (&longest, "", "414 URI Too Long"),
        ("", &longer, "431 Request Header Fields Too Large"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let target = format!("/length?{query}");
        let status = answer_to(&mut stream, &target, cookie).await;
        assert_eq!(status, expected, "{} {}", query.len(), cookie.len());
    }
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_finishes_requests() {
    let (arrived, may_answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let routes = routes().route("/waits", {
        let (arrived, may_answer) = (Arc::clone(&arrived), Arc::clone(&may_answer));
        get(async move || {
            arrived.notify_one();
            may_answer.notified().await;
            "answered"
        })
    });
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = ConnectionSettings::default();
    let served = tokio::spawn(serve(
        listener,
        None,
        routes,
        settings,
        CallerLimits::default(),
        stop.clone(),
    ));

    let mut new = TcpStream::connect(address).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert_eq!(ask(&mut idle, "/length").await, "200 OK");
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    arrived.notified().await;

    stop.cancel();
    for stream in [&mut new, &mut idle] {
        let rest = timeout(TIMEOUT, stream.read(&mut [0])).await.unwrap();
        assert_eq!(rest.unwrap(), 0);
    }
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!served.is_finished());

    may_answer.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nanswered"), "{answer}");
    timeout(TIMEOUT, served).await.unwrap().unwrap();
}

fn routes() -> Router {
    let length = get(async |RawQuery(query)| query.unwrap_or_default().len().to_string());
    let slow = get(async || {
        tokio::time::sleep(HEAD_TIMEOUT * 2).await;
        "slow"
    });
    Router::new().route("/length", length).route("/slow", slow)
}

async fn start(routes: Router, stop: CancellationToken) -> SocketAddr {
    let settings = ConnectionSettings {
        head_timeout: HEAD_TIMEOUT,
        ..ConnectionSettings::default()
    };
    start_with(settings, routes, stop).await
}

async fn start_with(
    settings: ConnectionSettings,
    routes: Router,
    stop: CancellationToken,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        None,
        routes,
        settings,
        CallerLimits::default(),
        stop,
    ));
    address
}

async fn ask(stream: &mut TcpStream, target: &str) -> String {
    answer_to(stream, target, "").await
}

/// Sends a GET, reads the whole response and returns its status.
async fn answer_to(stream: &mut TcpStream, target: &str, cookie: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
    // A server whose limit is exceeded does not read the rest.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        let read = timeout(TIMEOUT, stream.read_buf(&mut answer)).await;
        assert_ne!(read.unwrap().unwrap(), 0, "the connection was closed");
    }
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.lines().next().unwrap();
    status.strip_prefix("HTTP/1.1 ").unwrap().to_owned()
}

/// Whether the head has arrived, and as much of the body as it announces.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}
