//! Which representation a response has, and its statuses.

use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::*;

const RESPONSE: (&str, &str) = ("accept", "application/graphql-response+json");

#[tokio::test]
async fn a_query_has_the_same_response_by_post_and_get() {
    let server = server();
    insta::assert_snapshot!(whole(&server, post("{ short }", &[])).await, @r#"
    200 OK
    content-type: application/json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"data":{"text":"short"}}
    "#);
    insta::assert_snapshot!(whole(&server, get("{ short }", &[])).await, @r#"
    200 OK
    cache-control: public, max-age=5
    content-type: application/json; charset=utf-8
    etag: "3bff94207cda18d6a19bc565253b0ab3"
    vary: accept
    vary: authorization
    x-request-id: request-7

    {"data":{"text":"short"}}
    "#);
    insta::assert_snapshot!(whole(&server, post("{ short }", &[RESPONSE])).await, @r#"
    200 OK
    content-type: application/graphql-response+json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"data":{"text":"short"}}
    "#);
}

#[tokio::test]
async fn the_engine_gets_the_caller_and_the_parameters() {
    let server = server();
    let body = r#"{"query":"{ caller }","operationName":"A","variables":{"x":[1]}}"#;
    let token = ("authorization", "Bearer t");
    insta::assert_snapshot!(line(&server, post_body(body, &[token]), &[]).await, @r#"200 | {"data":{"operationName":"A","requestId":"request-7","token":"Bearer t","transport":"HttpPost","variables":{"x":[1]}}}"#);
    let query = "?query=%7B%20caller%20%7D&operationName=A&variables=%7B%22x%22%3A%5B1%5D%7D";
    insta::assert_snapshot!(line(&server, request("GET", query, &[], Body::empty()), &[]).await, @r#"200 | {"data":{"operationName":"A","requestId":"request-7","token":null,"transport":"HttpGet","variables":{"x":[1]}}}"#);
}

#[tokio::test]
async fn each_representation_has_statuses_of_its_own() {
    let server = server();
    let mut table = String::new();
    for document in [
        "{ short }",
        "{ partial }",
        "{ invalid",
        "malformed",
        "unauthenticated",
        "limited",
        "busy",
        "mutation",
    ] {
        for accept in [RESPONSE, ("accept", "application/json")] {
            for (method, request) in [
                ("POST", post(document, &[accept])),
                ("GET", get(document, &[accept])),
            ] {
                let shown = [CONTENT_TYPE, CACHE_CONTROL, ALLOW, header::RETRY_AFTER];
                let answer = line(&server, request, &shown).await;
                writeln!(table, "{method} {document}: {answer}").unwrap();
            }
        }
    }
    insta::assert_snapshot!(table, @r#"
    POST { short }: 200 | application/graphql-response+json; charset=utf-8 |  |  |  | {"data":{"text":"short"}}
    GET { short }: 200 | application/graphql-response+json; charset=utf-8 | public, max-age=5 |  |  | {"data":{"text":"short"}}
    POST { short }: 200 | application/json; charset=utf-8 |  |  |  | {"data":{"text":"short"}}
    GET { short }: 200 | application/json; charset=utf-8 | public, max-age=5 |  |  | {"data":{"text":"short"}}
    POST { partial }: 200 | application/graphql-response+json; charset=utf-8 |  |  |  | {"data":{"a":null},"errors":[{"extensions":{"code":"INTERNAL"},"message":"no","path":["a"]}]}
    GET { partial }: 200 | application/graphql-response+json; charset=utf-8 | no-store |  |  | {"data":{"a":null},"errors":[{"extensions":{"code":"INTERNAL"},"message":"no","path":["a"]}]}
    POST { partial }: 200 | application/json; charset=utf-8 |  |  |  | {"data":{"a":null},"errors":[{"extensions":{"code":"INTERNAL"},"message":"no","path":["a"]}]}
    GET { partial }: 200 | application/json; charset=utf-8 | no-store |  |  | {"data":{"a":null},"errors":[{"extensions":{"code":"INTERNAL"},"message":"no","path":["a"]}]}
    POST { invalid: 400 | application/graphql-response+json; charset=utf-8 |  |  |  | {"errors":[{"message":"no","extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}
    GET { invalid: 400 | application/graphql-response+json; charset=utf-8 | no-store |  |  | {"errors":[{"message":"no","extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}
    POST { invalid: 200 | application/json; charset=utf-8 |  |  |  | {"errors":[{"message":"no","extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}
    GET { invalid: 200 | application/json; charset=utf-8 | no-store |  |  | {"errors":[{"message":"no","extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}
    POST malformed: 400 | application/graphql-response+json; charset=utf-8 |  |  |  | {"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}
    GET malformed: 400 | application/graphql-response+json; charset=utf-8 | no-store |  |  | {"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}
    POST malformed: 400 | application/json; charset=utf-8 |  |  |  | {"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}
    GET malformed: 400 | application/json; charset=utf-8 | no-store |  |  | {"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}
    POST unauthenticated: 401 | application/graphql-response+json; charset=utf-8 |  |  |  | {"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}]}
    GET unauthenticated: 401 | application/graphql-response+json; charset=utf-8 | no-store |  |  | {"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}]}
    POST unauthenticated: 401 | application/json; charset=utf-8 |  |  |  | {"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}]}
    GET unauthenticated: 401 | application/json; charset=utf-8 | no-store |  |  | {"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}]}
    POST limited: 429 | application/graphql-response+json; charset=utf-8 |  |  | 7 | {"errors":[{"message":"no","extensions":{"code":"RATE_LIMITED"}}]}
    GET limited: 429 | application/graphql-response+json; charset=utf-8 | no-store |  | 7 | {"errors":[{"message":"no","extensions":{"code":"RATE_LIMITED"}}]}
    POST limited: 429 | application/json; charset=utf-8 |  |  | 7 | {"errors":[{"message":"no","extensions":{"code":"RATE_LIMITED"}}]}
    GET limited: 429 | application/json; charset=utf-8 | no-store |  | 7 | {"errors":[{"message":"no","extensions":{"code":"RATE_LIMITED"}}]}
    POST busy: 503 | application/graphql-response+json; charset=utf-8 |  |  | 7 | {"errors":[{"message":"no","extensions":{"code":"UNAVAILABLE"}}]}
    GET busy: 503 | application/graphql-response+json; charset=utf-8 | no-store |  | 7 | {"errors":[{"message":"no","extensions":{"code":"UNAVAILABLE"}}]}
    POST busy: 503 | application/json; charset=utf-8 |  |  | 7 | {"errors":[{"message":"no","extensions":{"code":"UNAVAILABLE"}}]}
    GET busy: 503 | application/json; charset=utf-8 | no-store |  | 7 | {"errors":[{"message":"no","extensions":{"code":"UNAVAILABLE"}}]}
    POST mutation: 200 | application/graphql-response+json; charset=utf-8 |  |  |  | {"data":{"done":true}}
    GET mutation: 405 | application/graphql-response+json; charset=utf-8 | no-store | POST |  | {"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}
    POST mutation: 200 | application/json; charset=utf-8 |  |  |  | {"data":{"done":true}}
    GET mutation: 405 | application/json; charset=utf-8 | no-store | POST |  | {"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}
    "#);
}

#[tokio::test]
async fn what_cannot_be_represented_is_rejected() {
    let server = server();
    let image = ("accept", "image/png");
    insta::assert_snapshot!(whole(&server, get("{ short }", &[image])).await, @r#"
    406 Not Acceptable
    cache-control: no-store
    content-type: application/json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"errors":[{"message":"the media types available are application/graphql-response+json, application/json, text/event-stream and, by GET, text/html","extensions":{"code":"BAD_REQUEST"}}]}
    "#);
    insta::assert_snapshot!(whole(&server, post("{ short }", &[image])).await, @r#"
    406 Not Acceptable
    content-type: application/json; charset=utf-8
    vary: accept
    x-request-id: request-7

    {"errors":[{"message":"the media types available are application/graphql-response+json, application/json, text/event-stream and, by GET, text/html","extensions":{"code":"BAD_REQUEST"}}]}
    "#);
    let page = ("accept", "text/html");
    assert_eq!(
        answer(&server, post("{ short }", &[page])).await.status(),
        406
    );
}

#[tokio::test]
async fn invalid_parameters_are_rejected_in_every_representation() {
    let server = server();
    let mut table = String::new();
    for accept in [
        RESPONSE,
        ("accept", "application/json"),
        ("accept", "text/event-stream"),
    ] {
        for request in [
            request("GET", "", &[accept], Body::empty()),
            request("GET", "?query=a&variables=%7B", &[accept], Body::empty()),
            post_body(r#"{"notquery":"{ short }"}"#, &[accept]),
            post_body(r#"{"query":"{ short }","variables":[1]}"#, &[accept]),
            post_body(r#"{"query":"{ short }","extensions":"x"}"#, &[accept]),
            post_body(r#"[{"query":"{ short }"}]"#, &[accept]),
            post_body(r#"{ "not a JSON"#, &[accept]),
        ] {
            let answer = line(&server, request, &[CONTENT_TYPE]).await;
            writeln!(table, "{answer}").unwrap();
        }
    }
    insta::assert_snapshot!(table, @r#"
    400 | application/graphql-response+json; charset=utf-8 | {"errors":[{"message":"`query` is missing","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/graphql-response+json; charset=utf-8 | {"errors":[{"message":"`variables` is not valid JSON: EOF while parsing an object at line 1 column 1","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/graphql-response+json; charset=utf-8 | {"errors":[{"message":"`query` is missing","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/graphql-response+json; charset=utf-8 | {"errors":[{"message":"`variables` must be an object","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/graphql-response+json; charset=utf-8 | {"errors":[{"message":"`extensions` must be an object","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/graphql-response+json; charset=utf-8 | {"errors":[{"message":"the request is not a JSON object; batches are not supported","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/graphql-response+json; charset=utf-8 | {"errors":[{"message":"the request is not valid JSON: EOF while parsing a string at line 1 column 13","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`query` is missing","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`variables` is not valid JSON: EOF while parsing an object at line 1 column 1","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`query` is missing","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`variables` must be an object","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`extensions` must be an object","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"the request is not a JSON object; batches are not supported","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"the request is not valid JSON: EOF while parsing a string at line 1 column 13","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`query` is missing","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`variables` is not valid JSON: EOF while parsing an object at line 1 column 1","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`query` is missing","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`variables` must be an object","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"`extensions` must be an object","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"the request is not a JSON object; batches are not supported","extensions":{"code":"BAD_REQUEST"}}]}
    400 | application/json; charset=utf-8 | {"errors":[{"message":"the request is not valid JSON: EOF while parsing a string at line 1 column 13","extensions":{"code":"BAD_REQUEST"}}]}
    "#);
}

#[tokio::test]
async fn a_browser_gets_the_page() {
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let request = request("GET", "", &[("accept", accept)], Body::empty());
    let response = answer(&server(), request).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(headers[CACHE_CONTROL], "no-cache");
    assert_eq!(headers[VARY], "accept");
    assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY));
}

#[tokio::test]
async fn events_are_streamed_to_those_who_accept_them() {
    let server = server();
    let events = ("accept", "text/event-stream");
    insta::assert_snapshot!(whole(&server, post("subscription", &[events])).await, @r#"
    200 OK
    cache-control: no-cache, no-transform
    content-type: text/event-stream; charset=utf-8
    vary: accept
    x-accel-buffering: no
    x-request-id: request-7

    : 

    event: next
    id: c1
    data: {"data":{"n":1}}

    event: next
    id: c2
    data: {"data":{"n":2}}

    event: complete
    data:
    "#);
    let by_get = whole(&server, get("subscription", &[events])).await;
    assert_eq!(
        by_get,
        whole(&server, post("subscription", &[events])).await
    );
    insta::assert_snapshot!(line(&server, get("mutation", &[events]), &[CACHE_CONTROL, ALLOW]).await, @r#"405 | no-store | POST | {"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}"#);
}

#[tokio::test]
async fn a_subscription_without_a_stream_is_rejected() {
    let server = server();
    insta::assert_snapshot!(line(&server, post("subscription", &[]), &[CONTENT_TYPE]).await, @r#"400 | application/json; charset=utf-8 | {"errors":[{"message":"a subscription needs a WebSocket, or `Accept: text/event-stream`","extensions":{"code":"BAD_REQUEST"}}]}"#);
}

#[tokio::test]
async fn an_internal_error_reveals_nothing() {
    insta::assert_snapshot!(whole(&server(), post("panic", &[])).await, @r#"
    500 Internal Server Error
    content-type: application/json; charset=utf-8
    x-request-id: request-7

    {"errors":[{"message":"something went wrong on our side; tell us the request id","extensions":{"code":"INTERNAL","requestId":"request-7"}}]}
    "#);
}

#[tokio::test]
async fn a_socket_opens_through_all_layers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/graphql", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, server().into_make_service()).await });
    let mut request = url.into_client_request().unwrap();
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let init = Message::text(r#"{"type":"connection_init"}"#);
    socket.send(init).await.unwrap();
    let ack = socket.next().await.unwrap().unwrap();
    assert_eq!(ack, Message::text(r#"{"type":"connection_ack"}"#));
}

#[tokio::test]
async fn an_invalid_handshake_is_rejected_with_a_message() {
    let headers = [("upgrade", "websocket"), ("connection", "upgrade")];
    let request = request("GET", "", &headers, Body::empty());
    insta::assert_snapshot!(whole(&server(), request).await, @r#"
    400 Bad Request
    content-type: application/json; charset=utf-8
    x-request-id: request-7

    {"errors":[{"message":"`Sec-WebSocket-Key` header missing","extensions":{"code":"BAD_REQUEST"}}]}
    "#);
}
