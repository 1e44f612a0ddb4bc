//! Clients that do not read, that keep sending after their response, and that close their sending side.

use std::io::ErrorKind;

use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::response::IntoResponse as _;
use axum::routing::post;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

use super::*;

/// Short, but longer than a busy machine needs to make progress.
const SHORT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected_and_a_slow_one_is_not() {
    for path in ["/whole", "/streamed", "/socket"] {
        let (routes, dropped) = endless();
        let address = start_with(short_timeouts(), routes, CancellationToken::new()).await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        // A slow client that accepts some bytes is not cut off.
        let mut some = vec![0; 256 * 1024];
        for _ in 0..6 {
            tokio::time::sleep(SHORT / 2).await;
            stream.read_exact(&mut some).await.unwrap();
        }
        let mut dropped = dropped;
        assert!(
            timeout(Duration::ZERO, &mut dropped).await.is_err(),
            "{path}"
        );
        let began = Instant::now();
        timeout(TIMEOUT, dropped).await.unwrap().unwrap_err();
        assert!(began.elapsed() >= SHORT / 2, "{path}");
        let mut rest = Vec::new();
        let end = timeout(TIMEOUT, stream.read_to_end(&mut rest)).await;
        let error = end.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{path}");
    }
}

#[tokio::test]
async fn without_a_write_timeout_a_client_that_reads_nothing_stays_connected() {
    let settings = ConnectionSettings::with_write_timeout(Duration::ZERO);
    let (routes, dropped) = endless();
    let address = start_with(settings, routes, CancellationToken::new()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /streamed HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert!(timeout(SHORT * 3, dropped).await.is_err());
}

#[tokio::test]
async fn a_client_still_sending_gets_an_early_response() {
    let address = start(rejecting(), CancellationToken::new()).await;
    let clients = (0..8).map(|number| async move {
        let body = vec![b'a'; 4 * 1024 * 1024];
        let length = body.len();
        let (head, body) = match number % 3 {
            0 => (format!("Content-Length: {length}"), body),
            1 => {
                let chunk = format!("{length:x}\r\n");
                let chunk = [chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
                ("Transfer-Encoding: chunked".to_owned(), chunk)
            }
            // A head that is too long.
            _ => ("X-Long: ".to_owned(), body),
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("POST /rejected HTTP/1.1\r\nHost: a\r\n{head}");
        stream.write_all(request.as_bytes()).await.unwrap();
        if number % 3 < 2 {
            stream.write_all(b"\r\n\r\n").await.unwrap();
        }
        // The whole body is sent before anything is read.
        stream.write_all(&body).await.unwrap();
        tokio::time::sleep(SHORT / 5).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let expected = match number % 3 {
            2 => "HTTP/1.1 431 Request Header Fields Too Large\r\n",
            _ => "HTTP/1.1 413 Payload Too Large\r\n",
        };
        assert!(answer.starts_with(expected), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    });
    timeout(TIMEOUT, join_all(clients)).await.unwrap();
}

#[tokio::test]
async fn discarding_after_a_response_is_bounded_in_bytes_and_time() {
    let settings = |linger_bytes, linger, linger_silence| ConnectionSettings {
        timeouts: Timeouts {
            linger,
            linger_silence,
            linger_bytes,
            ..Timeouts::default()
        },
        ..ConnectionSettings::default()
    };
    let long = TIMEOUT * 10;
    for (settings, pause) in [
        (settings(1024 * 1024, long, long), Duration::ZERO),
        (settings(usize::MAX, SHORT, long), SHORT / 20),
        (settings(usize::MAX, long, SHORT), SHORT * 3),
    ] {
        let address = start_with(settings, rejecting(), CancellationToken::new()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = b"POST /rejected HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let sent_on = async {
            while stream.write_all(&[0; 16 * 1024]).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        };
        timeout(TIMEOUT, sent_on).await.unwrap();
    }
}

#[tokio::test]
async fn stopping_does_not_wait_for_discarded_bytes() {
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = ConnectionSettings::default();
    let served = tokio::spawn(serve(
        listener,
        None,
        rejecting(),
        settings,
        CallerLimits::default(),
        stop.clone(),
    ));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = b"POST /rejected HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let began = Instant::now();
    stop.cancel();
    timeout(TIMEOUT, served).await.unwrap().unwrap();
    assert!(began.elapsed() < settings.timeouts.linger_silence);
}

#[tokio::test]
async fn a_half_closed_client_gets_its_response() {
    let slowly = get(async || {
        Body::from_stream(stream::iter(0..4).then(|number| async move {
            tokio::time::sleep(HEAD_TIMEOUT / 4).await;
            Ok::<_, Infallible>(format!("{number}"))
        }))
    });
    let routes = routes().route("/slowly", slowly);
    let address = start(routes, CancellationToken::new()).await;
    for (path, expected) in [
        ("/length?abc", "\r\n\r\n3"),
        ("/slow", "\r\n\r\nslow"),
        ("/slowly", "\r\n1\r\n3\r\n0\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        let read = timeout(TIMEOUT, stream.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(expected), "{answer}");
    }
}

#[tokio::test]
async fn requests_of_disconnected_clients_are_cancelled() {
    let begun = Arc::new(Notify::new());
    let (alive, dropped) = oneshot::channel::<()>();
    let alive = Arc::new(std::sync::Mutex::new(Some(alive)));
    let waits = {
        let begun = Arc::clone(&begun);
        get(async move || {
            let _alive = alive.lock().unwrap().take();
            begun.notify_one();
            std::future::pending::<()>().await;
        })
    };
    let routes = Router::new().route("/", waits);
    let address = start(routes, CancellationToken::new()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    begun.notified().await;
    drop(stream);
    timeout(TIMEOUT, dropped).await.unwrap().unwrap_err();
}

fn short_timeouts() -> ConnectionSettings {
    ConnectionSettings::with_write_timeout(SHORT)
}

/// Endless responses: from a body that is ready, from one that is produced while it is sent, and on a WebSocket. The
/// receiver fails once such a response is dropped.
fn endless() -> (Router, oneshot::Receiver<()>) {
    const CHUNK: Bytes = Bytes::from_static(&[b'a'; 64 * 1024]);
    let (alive, dropped) = oneshot::channel::<()>();
    let alive = Arc::new(std::sync::Mutex::new(Some(alive)));
    let take = move || alive.lock().unwrap().take();
    let chunks = |alive| {
        stream::repeat(CHUNK).map(move |chunk| {
            let _ = &alive;
            Ok::<_, Infallible>(chunk)
        })
    };
    let whole = {
        let take = take.clone();
        get(async move || {
            let chunks = stream::iter([Bytes::from(vec![b'a'; 64 * 1024 * 1024])]);
            let alive = take();
            let chunks = chunks.map(move |chunk| {
                let _ = &alive;
                Ok::<_, Infallible>(chunk)
            });
            Body::from_stream(chunks.chain(stream::pending()))
        })
    };
    let streamed = {
        let take = take.clone();
        get(async move || Body::from_stream(chunks(take())))
    };
    let socket = get(async move |upgrade: WebSocketUpgrade| {
        let alive = take();
        upgrade.on_upgrade(move |mut socket| async move {
            while socket.send(CHUNK.into()).await.is_ok() {}
            drop(alive);
        })
    });
    let routes = Router::new()
        .route("/whole", whole)
        .route("/streamed", streamed)
        .route("/socket", socket);
    (routes, dropped)
}

/// Rejects requests without reading their bodies.
fn rejecting() -> Router {
    let reject = post(async || axum::http::StatusCode::PAYLOAD_TOO_LARGE.into_response());
    Router::new().route("/rejected", reject)
}
