//! Entity tags, `Cache-Control` and the compression of responses.

use axum::http::header::ETAG;
use tower::Layer as _;
use tower_http::decompression::DecompressionLayer;

use super::*;

async fn etag(server: &Middleware<Engine>, request: Request) -> String {
    let response = answer(server, request).await;
    response.headers()[ETAG].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_with_the_current_response_gets_304() {
    let server = server();
    let tag = etag(&server, get("{ short }", &[])).await;
    let known = ("if-none-match", tag.as_str());
    insta::assert_snapshot!(whole(&server, get("{ short }", &[known])).await, @r#"
    304 Not Modified
    cache-control: public, max-age=5
    etag: "3bff94207cda18d6a19bc565253b0ab3"
    vary: accept
    vary: authorization
    x-request-id: request-7
    "#);
    let mut head = get("{ short }", &[known]);
    *head.method_mut() = Method::HEAD;
    assert_eq!(answer(&server, head).await.status(), 304);
    for (known, status) in [
        (format!("W/{tag}"), 304),
        (format!("\"other\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
        (tag.replace('"', ""), 200),
    ] {
        let request = get("{ short }", &[("if-none-match", &known)]);
        assert_eq!(answer(&server, request).await.status(), status, "{known}");
    }
    // A different response.
    let response = answer(&server, get("{ long }", &[known])).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn each_representation_and_encoding_has_its_own_tag() {
    let server = server();
    let mut tags = Vec::new();
    for accept in ["application/json", "application/graphql-response+json"] {
        for encoding in ["identity", "gzip", "br", "zstd"] {
            let headers = [("accept", accept), ("accept-encoding", encoding)];
            let tag = etag(&server, get("{ long }", &headers)).await;
            let again = [headers.as_slice(), &[("if-none-match", tag.as_str())]].concat();
            let response = answer(&server, get("{ long }", &again)).await;
            assert_eq!(response.status(), 304, "{headers:?}");
            assert!(!response.headers().contains_key(CONTENT_ENCODING));
            assert_eq!(response.headers()[ETAG], tag);
            tags.push(tag);
        }
    }
    let count = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), count);
}

#[tokio::test]
async fn only_a_query_by_get_without_errors_may_be_cached() {
    let server = server();
    let mut table = String::new();
    let events = ("accept", "text/event-stream");
    for (name, request) in [
        ("GET short", get("{ short }", &[])),
        ("GET partial", get("{ partial }", &[])),
        ("GET invalid", get("{ invalid", &[])),
        ("GET mutation", get("mutation", &[])),
        ("GET nothing", request("GET", "", &[], Body::empty())),
        ("GET events", get("{ short }", &[events])),
        (
            "GET with a token",
            get("{ short }", &[("authorization", "Bearer t")]),
        ),
        ("POST short", post("{ short }", &[])),
    ] {
        let response = answer(&server, request).await;
        let headers = response.headers();
        let cache_control = headers
            .get(CACHE_CONTROL)
            .map(|value| value.to_str().unwrap());
        let tagged = headers.contains_key(ETAG);
        writeln!(table, "{name}: {cache_control:?}, tagged: {tagged}").unwrap();
    }
    insta::assert_snapshot!(table, @r#"
    GET short: Some("public, max-age=5"), tagged: true
    GET partial: Some("no-store"), tagged: false
    GET invalid: Some("no-store"), tagged: false
    GET mutation: Some("no-store"), tagged: false
    GET nothing: Some("no-store"), tagged: false
    GET events: Some("no-cache, no-transform"), tagged: false
    GET with a token: Some("private, no-cache"), tagged: true
    POST short: None, tagged: false
    "#);
}

#[tokio::test]
async fn long_responses_are_compressed_as_the_client_prefers() {
    let server = server();
    let unpacking = DecompressionLayer::new().layer(server.clone());
    let plain = answer(&server, get("{ long }", &[])).await;
    let plain = to_bytes(plain.into_body(), usize::MAX).await.unwrap();
    for (accepted, encoding) in [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=0.5, zstd", "zstd"),
        ("gzip, zstd;q=0.5", "gzip"),
        ("gzip;q=0, br;q=0.1", "br"),
    ] {
        let headers = [("accept-encoding", accepted)];
        let response = answer(&server, get("{ long }", &headers)).await;
        assert_eq!(response.headers()[CONTENT_ENCODING], encoding, "{accepted}");
        let varies = response.headers().get_all(VARY);
        assert_eq!(
            varies.iter().collect::<Vec<_>>(),
            ["authorization", "accept", "accept-encoding"]
        );
        let packed = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(packed.len() < 200, "{encoding}: {} bytes", packed.len());
        let unpacked = unpacking.clone().oneshot(get("{ long }", &headers));
        let unpacked = Body::new(unpacked.await.unwrap().into_body());
        let unpacked = to_bytes(unpacked, usize::MAX).await.unwrap();
        assert_eq!(unpacked, plain, "{accepted}");
    }
}

#[tokio::test]
async fn short_responses_and_events_are_not_compressed() {
    let server = server();
    let gzip = ("accept-encoding", "gzip");
    let events = ("accept", "text/event-stream");
    for request in [
        get("{ short }", &[gzip]),
        post("{ long }", &[gzip, events]),
        get("{ long }", &[("accept-encoding", "gzip;q=0, identity")]),
    ] {
        let response = answer(&server, request).await;
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
    }
}
