//! HTTP/2 clients that send heads or bodies slowly, or read slowly: other clients are still served, and each address
//! has its limit.

use axum::body::Body;
use broadsheet::article::{NewArticle, Text};
use futures_util::StreamExt as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rstest_reuse::apply;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use super::site::{HTTP_1_1, HTTP_2, Site, post};
use super::{CREATE, TIMEOUT};
use crate::support::{Database, TestApp, article, assert_answer, on_both_databases, start};

/// The addresses of slow clients, and of others.
const HERE: &str = "127.0.0.1";
const THERE: &str = "127.0.0.2";

/// The number of slow clients of each kind; `SLOW_CLIENTS=334` gives a thousand in total.
fn count() -> usize {
    let count = std::env::var_os("SLOW_CLIENTS");
    count.map_or(20, |count| count.to_str().unwrap().parse().unwrap())
}

/// A client whose streams accept this many bytes of a response before they are read.
async fn client(site: &Site, app: &TestApp, from: &str, window: u32) -> SendRequest<Body> {
    let io = site.connect(from, app.address, HTTP_2).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (client, connection) = builder.handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn send(client: &mut SendRequest<Body>, mut request: Request<Body>) -> Response<Incoming> {
    *request.uri_mut() = format!("https://localhost{}", request.uri())
        .parse()
        .unwrap();
    client.ready().await.unwrap();
    let response = client.send_request(request);
    tokio::time::timeout(TIMEOUT, response)
        .await
        .unwrap()
        .unwrap()
}

/// A connection with an unfinished head.
async fn slow_head(site: &Site, app: &TestApp) -> TlsStream<TcpStream> {
    let mut io = site.connect(HERE, app.address, HTTP_2).await.unwrap();
    io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    // An empty SETTINGS frame; then HEADERS of one byte, which is `:method: GET`, without END_HEADERS.
    let frames = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82];
    io.write_all(&frames).await.unwrap();
    io
}

/// A request with an unfinished body.
async fn slow_body(client: &SendRequest<Body>) -> AbortOnDropHandle<()> {
    let parts = futures_util::stream::once(async { Ok::<_, std::io::Error>("{") });
    let parts = parts.chain(futures_util::stream::pending());
    let request = Request::post("https://localhost/graphql")
        .header("content-type", "application/json")
        .body(Body::from_stream(parts))
        .unwrap();
    let mut client = client.clone();
    client.ready().await.unwrap();
    let response = client.send_request(request);
    AbortOnDropHandle::new(tokio::spawn(async move { drop(response.await) }))
}

#[apply(on_both_databases)]
async fn slow_clients_do_not_affect_others_and_count_toward_their_share(database: Database) {
    let site = Site::new();
    let [certificate, key] = site.flags();
    let count = count();
    let connections = format!("--max-connections-per-address={}", 3 * count);
    // One address may have half of these bytes, which is enough for half of the slow readers and one more response.
    let bytes = format!("--max-concurrent-body-bytes={}", (count + 2) * 100_000);
    let app = start!(database, &certificate, &key, &connections, &bytes);
    let new = NewArticle {
        text: Text::new("a".repeat(100_000)).unwrap(),
        ..article("a", None, None)
    };
    app.store.create_article(new).await.unwrap();

    let mut heads = Vec::new();
    let mut bodies = Vec::new();
    let mut readers = Vec::new();
    for _ in 0..count {
        heads.push(slow_head(&site, &app).await);
        let client_of_body = client(&site, &app, HERE, 65_535).await;
        bodies.push(slow_body(&client_of_body).await);
        let mut reader = client(&site, &app, HERE, 100).await;
        let response = send(&mut reader, post("{ articles { text } }")).await;
        readers.push((reader, response));
    }
    let served = readers
        .iter()
        .filter(|(_, response)| response.status() == 200);
    assert_eq!(served.count(), count / 2);
    assert!(site.connect(HERE, app.address, HTTP_2).await.is_err());

    for alpn in [HTTP_1_1, HTTP_2] {
        let io = site.connect(THERE, app.address, alpn).await;
        assert!(io.is_ok(), "{alpn}");
    }
    let mut other = client(&site, &app, THERE, 65_535).await;
    for query in [CREATE, "{ articles { text } }"] {
        assert_eq!(send(&mut other, post(query)).await.status(), 200);
    }
}

/// An address may have as many requests under way as connections, but at least as many as one connection may have.
#[apply(on_both_databases)]
async fn requests_on_shared_connections_are_limited_per_address(database: Database) {
    let site = Site::new();
    let [certificate, key] = site.flags();
    let limit = "--max-connections-per-address=3";
    let app = start!(database, &certificate, &key, limit);
    let (mut first, second) = (
        client(&site, &app, HERE, 65_535).await,
        client(&site, &app, HERE, 65_535).await,
    );
    let mut held = Vec::new();
    for _ in 0..51 {
        held.push(slow_body(&first).await);
        held.push(slow_body(&second).await);
    }
    // The first request of each connection does not count. The last request may not have arrived yet.
    let rejected = loop {
        let response = send(&mut first, post("{ __typename }")).await;
        if response.status() != 200 {
            break response;
        }
    };
    let headers = ["retry-after", "ratelimit", "ratelimit-policy"];
    let headers = headers.map(|name| rejected.headers()[name].to_str().unwrap().to_owned());
    assert!(rejected.headers().contains_key("x-request-id"));
    let body = http_body_util::BodyExt::collect(rejected.into_body());
    let body = String::from_utf8(body.await.unwrap().to_bytes().to_vec()).unwrap();
    assert_answer!(format!("{}\n{body}", headers.join("\n")), @r#"
    1
    "requests";r=0
    "requests";q=100;qu="concurrent-requests"
    {"errors":[{"message":"an address may have 100 concurrent requests on shared connections; wait for some of yours","extensions":{"code":"RATE_LIMITED"}}]}
    "#);
    // Probes are not limited, and other addresses have their own limit.
    let health = Request::get("/health/live").body(Body::empty()).unwrap();
    assert_eq!(send(&mut first, health).await.status(), 200);
    let mut other = client(&site, &app, THERE, 65_535).await;
    assert_eq!(send(&mut other, post(CREATE)).await.status(), 200);
    // Closed connections free their slots.
    drop(held);
    while send(&mut first, post("{ __typename }")).await.status() != 200 {}
}
