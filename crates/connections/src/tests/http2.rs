//! HTTP/2, as hyper's client speaks it.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::secure::Secure;
use super::*;

/// Short, but longer than a busy machine needs to make progress.
const SHORT: Duration = Duration::from_millis(500);

type Connection = JoinHandle<hyper::Result<()>>;

/// A client with this stream window: it accepts this many bytes before its reader reads any.
async fn client(server: &Secure, window: u32) -> (SendRequest<Body>, Connection) {
    let io = TokioIo::new(server.connect("h2").await);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .initial_stream_window_size(window)
        .initial_connection_window_size(1024 * 1024);
    let (client, connection) = builder.handshake(io).await.unwrap();
    (client, tokio::spawn(connection))
}

fn get(path: &str) -> Request<Body> {
    let target = format!("https://localhost{path}");
    Request::get(target).body(Body::empty()).unwrap()
}

async fn status(client: &mut SendRequest<Body>, request: Request<Body>) -> u16 {
    let response = timeout(TIMEOUT, client.send_request(request)).await;
    response.unwrap().unwrap().status().as_u16()
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_and_one_with_a_request_is_not() {
    let settings = ConnectionSettings {
        head_timeout: HEAD_TIMEOUT,
        ..ConnectionSettings::default()
    };
    let server = Secure::start(settings, routes(), CancellationToken::new()).await;
    let (mut client, connection) = client(&server, 65_535).await;
    // A response may take longer than the head of a request.
    assert_eq!(status(&mut client, get("/slow")).await, 200);
    assert_eq!(status(&mut client, get("/length")).await, 200);
    timeout(TIMEOUT, connection)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(client.ready().await.is_err());
}

#[tokio::test]
async fn an_incomplete_handshake_times_out() {
    let settings = ConnectionSettings {
        handshake_timeout: HEAD_TIMEOUT,
        ..ConnectionSettings::default()
    };
    let server = Secure::start(settings, routes(), CancellationToken::new()).await;
    // The first bytes of a handshake record.
    for beginning in [&[][..], &[0x16, 0x03, 0x01]] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let end = timeout(TIMEOUT, stream.read(&mut [0])).await.unwrap();
        assert_eq!(end.unwrap_or_default(), 0);
    }
}

#[tokio::test]
async fn a_failed_handshake_does_not_affect_others() {
    let settings = ConnectionSettings::default();
    let server = Secure::start(settings, routes(), CancellationToken::new()).await;
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /length HTTP/1.1\r\nHost: localhost\r\n\r\n";
    plain.write_all(request).await.unwrap();
    let mut output = Vec::new();
    let _ = timeout(TIMEOUT, plain.read_to_end(&mut output))
        .await
        .unwrap();
    assert!(!output.starts_with(b"HTTP"), "{output:?}");
    let (mut client, _connection) = client(&server, 65_535).await;
    assert_eq!(status(&mut client, get("/length")).await, 200);
}

#[tokio::test]
async fn a_long_head_gets_431_and_its_connection_continues() {
    let settings = ConnectionSettings::default();
    let server = Secure::start(settings, routes(), CancellationToken::new()).await;
    let (mut client, _connection) = client(&server, 65_535).await;
    let with_cookie = |bytes: usize| {
        let mut request = get("/length");
        let cookie = "a".repeat(bytes).parse().unwrap();
        request.headers_mut().insert("cookie", cookie);
        request
    };
    let longest = settings.head_bytes;
    assert_eq!(status(&mut client, with_cookie(longest / 2)).await, 200);
    assert_eq!(status(&mut client, with_cookie(longest)).await, 431);
    assert_eq!(status(&mut client, get("/length")).await, 200);
}

#[tokio::test]
async fn stopping_finishes_requests_and_accepts_no_more() {
    let (arrived, may_answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let routes = routes().route("/waits", {
        let (arrived, may_answer) = (Arc::clone(&arrived), Arc::clone(&may_answer));
        axum::routing::get(async move || {
            arrived.notify_one();
            may_answer.notified().await;
            "answered"
        })
    });
    let stop = CancellationToken::new();
    let server = Secure::start(ConnectionSettings::default(), routes, stop.clone()).await;
    let (mut busy, connection) = client(&server, 65_535).await;
    let (_idle, idle_connection) = client(&server, 65_535).await;
    let response = tokio::spawn(busy.send_request(get("/waits")));
    arrived.notified().await;
    stop.cancel();
    timeout(TIMEOUT, idle_connection)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    // The client has received GOAWAY and sends no more requests.
    while busy.send_request(get("/length")).await.is_ok() {}
    may_answer.notify_one();
    let response = timeout(TIMEOUT, response).await.unwrap().unwrap().unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "answered");
    timeout(TIMEOUT, connection)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

/// Routes with responses larger than any buffer, in one piece and in many, and one with a small response.
fn large() -> Router {
    const LARGE: usize = 8 * 1024 * 1024;
    let streamed = axum::routing::get(async || {
        let pieces = std::iter::repeat_n(Ok::<_, Infallible>(vec![0; 1_000]), LARGE / 1_000);
        Body::from_stream(futures_util::stream::iter(pieces))
    });
    routes()
        .route("/whole", axum::routing::get(async || vec![0; LARGE]))
        .route("/streamed", streamed)
        .route("/few", axum::routing::get(async || vec![0; 1_000]))
}

fn short_timeouts() -> ConnectionSettings {
    ConnectionSettings::with_write_timeout(SHORT)
}

#[tokio::test]
async fn a_response_that_is_not_read_is_reset_and_others_of_its_connection_are_not() {
    let server = Secure::start(short_timeouts(), large(), CancellationToken::new()).await;
    let (mut client, _connection) = client(&server, 20_000).await;
    for path in ["/whole", "/streamed"] {
        let mut unread = client.send_request(get(path)).await.unwrap().into_body();
        // A slow client that keeps reading is not cut off.
        let mut bytes = 0;
        for _ in 0..4 {
            tokio::time::sleep(SHORT / 2).await;
            for _ in 0..8 {
                let frame = unread.frame().await.unwrap().unwrap();
                bytes += frame.into_data().unwrap().len();
            }
        }
        assert!(bytes > 20_000, "{path}");
        tokio::time::sleep(SHORT * 3).await;
        let mut end = Ok(());
        while let (Ok(()), Some(frame)) = (&end, unread.frame().await) {
            end = frame.map(drop);
        }
        assert!(end.is_err(), "{path}");
        assert_eq!(status(&mut client, get("/length")).await, 200);
    }
}

#[tokio::test]
async fn the_end_of_a_response_that_is_not_read_ends_the_connection() {
    let server = Secure::start(short_timeouts(), large(), CancellationToken::new()).await;
    let (mut client, connection) = client(&server, 100).await;
    let _unread = client.send_request(get("/few")).await.unwrap();
    assert!(timeout(TIMEOUT, connection).await.is_ok());
}

#[tokio::test]
async fn without_a_write_timeout_a_response_that_is_not_read_is_kept() {
    let settings = ConnectionSettings::with_write_timeout(Duration::ZERO);
    let server = Secure::start(settings, large(), CancellationToken::new()).await;
    let (mut client, connection) = client(&server, 100).await;
    let few = client.send_request(get("/few")).await.unwrap();
    tokio::time::sleep(SHORT).await;
    assert!(!connection.is_finished());
    let body = few.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 1_000);
}
