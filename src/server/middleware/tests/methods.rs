//! Methods, and CORS.

use axum::body::HttpBody as _;
use axum::http::header::CONTENT_LENGTH;

use super::*;

const PAGE: (&str, &str) = ("origin", "https://app.example");

#[tokio::test]
async fn only_some_methods_are_served() {
    let server = server();
    for method in ["PUT", "PATCH", "DELETE", "TRACE", "QUERY"] {
        let request = request(method, "?query=%7B%20short%20%7D", &[], Body::empty());
        let answer = line(&server, request, &[ALLOW, CONTENT_TYPE]).await;
        let expected = format!(
            "405 | GET, HEAD, OPTIONS, POST | application/json; charset=utf-8 | \
             {{\"errors\":[{{\"message\":\"{method} is not supported here; use GET or POST\",\
             \"extensions\":{{\"code\":\"BAD_REQUEST\"}}}}]}}"
        );
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn options_lists_the_methods() {
    insta::assert_snapshot!(whole(&server(), request("OPTIONS", "", &[], Body::empty())).await, @r#"
    204 No Content
    allow: GET, HEAD, OPTIONS, POST
    x-request-id: request-7
    "#);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = server();
    let gzip = ("accept-encoding", "gzip");
    for document in [
        "{ short }",
        "{ long }",
        "{ partial }",
        "{ invalid",
        "mutation",
    ] {
        for headers in [&[][..], &[gzip]] {
            let mut head = get(document, headers);
            *head.method_mut() = Method::HEAD;
            let mut head = answer(&server, head).await;
            let get = answer(&server, get(document, headers)).await;
            assert_eq!(head.status(), get.status());
            // hyper adds the length of a body later.
            let length = head.headers_mut().remove(CONTENT_LENGTH);
            let length = length.map(|length| length.to_str().unwrap().parse().unwrap());
            assert_eq!(length, get.body().size_hint().exact());
            assert_eq!(head.headers(), get.headers(), "{document} {headers:?}");
            let body = to_bytes(head.into_body(), usize::MAX).await.unwrap();
            assert_eq!(body, "");
        }
    }
}

#[tokio::test]
async fn by_default_no_cross_origin_page_may_read() {
    let server = server();
    let wanted = ("access-control-request-method", "POST");
    insta::assert_snapshot!(whole(&server, request("OPTIONS", "", &[PAGE, wanted], Body::empty())).await, @r#"
    204 No Content
    allow: GET, HEAD, OPTIONS, POST
    x-request-id: request-7
    "#);
    insta::assert_snapshot!(whole(&server, post("{ short }", &[PAGE])).await, @r#"
    200 OK
    content-type: application/json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"data":{"text":"short"}}
    "#);
}

#[tokio::test]
async fn a_page_of_a_listed_origin_may_read() {
    let server = server_for(&["https://other.example", "https://App.example/"]);
    let wanted = ("access-control-request-method", "POST");
    let with = (
        "access-control-request-headers",
        "authorization,content-type",
    );
    let preflight = request("OPTIONS", "", &[PAGE, wanted, with], Body::empty());
    insta::assert_snapshot!(whole(&server, preflight).await, @r#"
    204 No Content
    access-control-allow-headers: authorization,content-type
    access-control-allow-methods: GET, HEAD, POST
    access-control-allow-origin: https://app.example
    access-control-max-age: 7200
    vary: origin
    x-request-id: request-7
    "#);
    insta::assert_snapshot!(whole(&server, get("{ short }", &[PAGE])).await, @r#"
    200 OK
    access-control-allow-origin: https://app.example
    access-control-expose-headers: allow, etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id
    cache-control: public, max-age=5
    content-type: application/json; charset=utf-8
    etag: "3bff94207cda18d6a19bc565253b0ab3"
    vary: accept
    vary: authorization
    vary: origin
    x-request-id: request-7

    {"data":{"text":"short"}}
    "#);
    // Also for error responses, including those that do not come from a handler.
    insta::assert_snapshot!(whole(&server, post("panic", &[PAGE])).await, @r#"
    500 Internal Server Error
    access-control-allow-origin: https://app.example
    access-control-expose-headers: allow, etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id
    content-type: application/json; charset=utf-8
    vary: origin
    x-request-id: request-7

    {"errors":[{"message":"something went wrong on our side; tell us the request id","extensions":{"code":"INTERNAL","requestId":"request-7"}}]}
    "#);
    let missing = {
        let mut request = get("{ short }", &[PAGE]);
        *request.uri_mut() = "/nowhere".parse().unwrap();
        request
    };
    insta::assert_snapshot!(whole(&server, missing).await, @r#"
    404 Not Found
    access-control-allow-origin: https://app.example
    access-control-expose-headers: allow, etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id
    vary: origin
    x-request-id: request-7
    "#);
}

#[tokio::test]
async fn a_page_of_another_origin_may_not() {
    let server = server_for(&["https://app.example"]);
    for origin in [
        "https://app.example.evil.example",
        "http://app.example",
        "null",
    ] {
        let from = ("origin", origin);
        let wanted = ("access-control-request-method", "POST");
        let preflight = request("OPTIONS", "", &[from, wanted], Body::empty());
        let preflight = answer(&server, preflight).await;
        let answer = answer(&server, post("{ short }", &[from])).await;
        for headers in [preflight.headers(), answer.headers()] {
            let allowed = headers
                .keys()
                .filter(|name| name.as_str().starts_with("access-control"));
            assert_eq!(allowed.count(), 0, "{origin}");
            assert!(headers.get_all(VARY).iter().any(|value| value == "origin"));
        }
    }
}

#[tokio::test]
async fn a_star_allows_every_page_and_caches_keep_one_response() {
    let server = server_for(&["*"]);
    insta::assert_snapshot!(whole(&server, get("{ short }", &[PAGE])).await, @r#"
    200 OK
    access-control-allow-origin: *
    access-control-expose-headers: allow, etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id
    cache-control: public, max-age=5
    content-type: application/json; charset=utf-8
    etag: "3bff94207cda18d6a19bc565253b0ab3"
    vary: accept
    vary: authorization
    x-request-id: request-7

    {"data":{"text":"short"}}
    "#);
    insta::assert_snapshot!(whole(&server, get("{ short }", &[])).await, @r#"
    200 OK
    access-control-allow-origin: *
    access-control-expose-headers: allow, etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id
    cache-control: public, max-age=5
    content-type: application/json; charset=utf-8
    etag: "3bff94207cda18d6a19bc565253b0ab3"
    vary: accept
    vary: authorization
    x-request-id: request-7

    {"data":{"text":"short"}}
    "#);
}

#[tokio::test]
async fn options_without_preflight_headers_lists_the_methods() {
    let server = server_for(&["https://app.example"]);
    insta::assert_snapshot!(whole(&server, request("OPTIONS", "", &[PAGE], Body::empty())).await, @r#"
    204 No Content
    access-control-allow-origin: https://app.example
    access-control-expose-headers: allow, etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id
    allow: GET, HEAD, OPTIONS, POST
    vary: origin
    x-request-id: request-7
    "#);
}
