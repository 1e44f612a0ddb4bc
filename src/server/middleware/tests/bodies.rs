//! Bodies of requests: media types, sizes, encodings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_http::compression::CompressionLayer;

use super::*;

/// Encodes the bytes with the layer that compresses responses.
async fn encoded(body: Vec<u8>, encoding: &str) -> Vec<u8> {
    let service = Router::new()
        .fallback(async move || body)
        .layer(CompressionLayer::new());
    let request = request("GET", "", &[("accept-encoding", encoding)], Body::empty());
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.headers()[CONTENT_ENCODING], encoding);
    to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap()
        .into()
}

fn encoded_post(body: impl Into<Body>, encoding: &str) -> Request {
    let json = ("content-type", "application/json");
    request("POST", "", &[json, ("content-encoding", encoding)], body)
}

/// A request for `{ short }` with this length in bytes.
fn of_length(length: usize) -> Vec<u8> {
    let mut body = br#"{"query":"{ short }"}"#.to_vec();
    body.resize(length, b' ');
    body
}

/// A body without a declared length, and a counter of the bytes that were read.
fn streamed(body: &[u8]) -> (Body, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let chunks: Vec<_> = body.chunks(64).map(Bytes::copy_from_slice).collect();
    let chunks = stream::iter(chunks).map(move |chunk| {
        counter.fetch_add(chunk.len(), Ordering::SeqCst);
        Ok::<_, std::convert::Infallible>(chunk)
    });
    (Body::from_stream(chunks), read)
}

const ANSWER: &str = r#"200 | {"data":{"text":"short"}}"#;

#[tokio::test]
async fn only_json_in_utf8_is_read() {
    let server = server();
    let body = r#"{"query":"{ short }"}"#;
    let mut table = String::new();
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
        "application/json; charset=iso-8859-1",
        "application/graphql",
        "application/graphql-response+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain;charset=UTF-8",
        "",
    ] {
        let request = request("POST", "", &[("content-type", content_type)], body);
        let status = answer(&server, request).await.status().as_u16();
        writeln!(table, "{content_type}: {status}").unwrap();
    }
    let request = request("POST", "", &[], body);
    let status = answer(&server, request).await.status().as_u16();
    writeln!(table, "(none): {status}").unwrap();
    insta::assert_snapshot!(table, @r#"
    application/json: 200
    application/json; charset=utf-8: 200
    Application/JSON;charset="UTF-8": 200
    application/json; charset=iso-8859-1: 415
    application/graphql: 415
    application/graphql-response+json: 415
    application/x-www-form-urlencoded: 415
    multipart/form-data; boundary=x: 415
    text/plain: 415
    text/plain;charset=UTF-8: 415
    : 415
    (none): 415
    "#);
}

#[tokio::test]
async fn another_media_type_is_rejected_with_a_message() {
    let form = ("content-type", "text/plain");
    let request = request("POST", "", &[form], r#"{"query":"{ short }"}"#);
    insta::assert_snapshot!(whole(&server(), request).await, @r#"
    415 Unsupported Media Type
    content-type: application/json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"errors":[{"message":"the body must be of the media type application/json, in UTF-8","extensions":{"code":"BAD_REQUEST"}}]}
    "#);
}

#[tokio::test]
async fn a_missing_body_is_rejected_with_a_message() {
    let server = server();
    insta::assert_snapshot!(whole(&server, post_body("", &[])).await, @r#"
    400 Bad Request
    content-type: application/json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"errors":[{"message":"the request has no body","extensions":{"code":"BAD_REQUEST"}}]}
    "#);
    let unnamed = request("POST", "", &[], Body::empty());
    let named = whole(&server, post_body("", &[])).await;
    assert_eq!(whole(&server, unnamed).await, named);
}

#[tokio::test]
async fn a_body_that_is_not_utf8_is_rejected() {
    let body = b"{\"query\":\"\xff\"}".to_vec();
    let request = request("POST", "", &[("content-type", "application/json")], body);
    insta::assert_snapshot!(line(&server(), request, &[]).await, @r#"400 | {"errors":[{"message":"the request is not valid JSON: invalid unicode code point at line 1 column 11","extensions":{"code":"BAD_REQUEST"}}]}"#);
}

#[tokio::test]
async fn a_body_may_reach_the_limit_but_not_exceed_it() {
    let server = server();
    let json = ("content-type", "application/json");
    let at = request("POST", "", &[json], of_length(MAX_BODY_BYTES));
    assert_eq!(line(&server, at, &[]).await, ANSWER);
    let over = request("POST", "", &[json], of_length(MAX_BODY_BYTES + 1));
    insta::assert_snapshot!(whole(&server, over).await, @r#"
    413 Payload Too Large
    content-type: application/json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"errors":[{"message":"the body is larger than 10000 bytes","extensions":{"code":"BAD_REQUEST"}}]}
    "#);

    let (body, _) = streamed(&of_length(MAX_BODY_BYTES));
    let at = request("POST", "", &[json], body);
    assert_eq!(line(&server, at, &[]).await, ANSWER);
    let (body, read) = streamed(&of_length(1_000_000));
    let over = request("POST", "", &[json], body);
    assert_eq!(answer(&server, over).await.status(), 413);
    assert!(read.load(Ordering::SeqCst) <= MAX_BODY_BYTES + 64);
}

#[tokio::test]
async fn a_body_with_a_large_content_length_is_rejected_before_it_is_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, server().into_make_service()).await });
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 10001\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_compressed_body_is_read_and_counted_after_decompression() {
    let server = server();
    for encoding in ["gzip", "br", "zstd"] {
        let at = encoded(of_length(MAX_BODY_BYTES), encoding).await;
        assert!(at.len() < 500);
        let answer = line(&server, encoded_post(at, encoding), &[]).await;
        assert_eq!(answer, ANSWER, "{encoding}");
        let over = encoded(of_length(MAX_BODY_BYTES + 1), encoding).await;
        let answer = line(&server, encoded_post(over, encoding), &[CONTENT_TYPE]).await;
        let expected = "413 | application/json; charset=utf-8 | {\"errors\":[{\"message\":\
            \"the body is larger than 10000 bytes\",\"extensions\":{\"code\":\"BAD_REQUEST\"}}]}";
        assert_eq!(answer, expected, "{encoding}");
    }
}

#[tokio::test]
async fn a_decompression_bomb_is_stopped_at_the_limit() {
    let server = server();
    for encoding in ["gzip", "br", "zstd"] {
        // The first part exceeds the limit, and none of the twenty that follow may be read.
        let mut bomb = encoded(of_length(4_000_000), encoding).await;
        let packed = bomb.len();
        let more = bomb.clone();
        for _ in 0..20 {
            bomb.extend_from_slice(&more);
        }
        let (body, read) = streamed(&bomb);
        let response = answer(&server, encoded_post(body, encoding)).await;
        assert_eq!(response.status(), 413, "{encoding}");
        let read = read.load(Ordering::SeqCst);
        assert!(read <= packed + 64, "{encoding}: {read} of {packed} bytes");
    }
}

#[tokio::test]
async fn a_damaged_or_unknown_encoding_is_rejected() {
    let server = server();
    let gzip = encoded(of_length(1_000), "gzip").await;
    let mut damaged = gzip.clone();
    damaged[12] ^= 0xff;
    let cut_off = gzip[..gzip.len() - 9].to_vec();
    for body in [damaged, cut_off, of_length(100)] {
        let answer = line(&server, encoded_post(body, "gzip"), &[]).await;
        let expected = "400 | {\"errors\":[{\"message\":\"the body could not be read: ";
        assert!(answer.starts_with(expected), "{answer}");
    }
    insta::assert_snapshot!(whole(&server, encoded_post(of_length(100), "deflate")).await, @r#"
    415 Unsupported Media Type
    accept-encoding: gzip, br, zstd
    content-type: application/json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"errors":[{"message":"the body may be encoded with gzip, br or zstd, once","extensions":{"code":"BAD_REQUEST"}}]}
    "#);
    for encoding in ["gzip, gzip", "compress"] {
        let response = answer(&server, encoded_post(gzip.clone(), encoding)).await;
        assert_eq!(response.status(), 415, "{encoding}");
    }
    let identity = encoded_post(of_length(100), "identity");
    assert_eq!(line(&server, identity, &[]).await, ANSWER);
}

/// A zstd frame with the text as a raw block, and this window descriptor (RFC 8878, section 3.1.1.1.2).
fn zstd_frame(text: &[u8], window: u8) -> Vec<u8> {
    let header = [0x28, 0xB5, 0x2F, 0xFD, 0, window];
    let last_raw_block = u32::try_from(text.len()).unwrap() << 3 | 1;
    [&header, &last_raw_block.to_le_bytes()[..3], text].concat()
}

#[tokio::test]
async fn a_frame_of_zstd_may_ask_for_a_window_of_eight_mebibytes_and_no_more() {
    let server = server();
    let body = of_length(30);
    let (start, end) = body.split_at(10);
    // The exponent minus ten, and eighths of the power of two: 8 MiB, 9 MiB, 128 MiB, and the maximum.
    let (allowed, others) = (13 << 3, [13 << 3 | 1, 17 << 3, 0xFF]);
    let frames = [zstd_frame(start, 0), zstd_frame(end, allowed)].concat();
    assert_eq!(
        line(&server, encoded_post(frames, "zstd"), &[]).await,
        ANSWER
    );
    for window in others {
        // Also where a later frame requires the window.
        let frames = [zstd_frame(start, 0), zstd_frame(end, window)].concat();
        for frames in [zstd_frame(&body, window), frames] {
            let answer = line(&server, encoded_post(frames, "zstd"), &[]).await;
            let expected = "400 | {\"errors\":[{\"message\":\"the body could not be read: Frame requires too \
                much memory for decoding\",\"extensions\":{\"code\":\"BAD_REQUEST\"}}]}";
            assert_eq!(answer, expected);
        }
    }
}
