//! Server-sent events, read as text.

use futures_util::StreamExt as _;
use reqwest::{Client, Response, StatusCode};
use serde_json::json;

use crate::server::{Server, TIMEOUT};

async fn post(server: &Server, query: &str) -> Response {
    let request = Client::new()
        .post(server.url("http"))
        .json(&json!({ "query": query }));
    request.send().await.unwrap()
}

async fn get(server: &Server, query: &str) -> Response {
    let url = format!("{}?query={}", server.url("http"), query.replace(' ', "%20"));
    Client::new().get(url).send().await.unwrap()
}

/// The whole stream, without the comments.
async fn events(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    response.text().await.unwrap().replace(": \n\n", "")
}

/// The stream until it contains `text`.
async fn until(response: &mut Response, text: &str) -> String {
    let mut read = String::new();
    let reading = async {
        while !read.contains(text) {
            let chunk = response.chunk().await.unwrap().unwrap();
            read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(TIMEOUT, reading).await.unwrap();
    read
}

#[tokio::test]
async fn a_subscription_is_its_events_with_their_cursors_and_complete() {
    let server = Server::start().await;
    let response = post(&server, "count 2").await;
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-cache, no-transform");
    let expected = concat!(
        "event: next\nid: c1\ndata: {\"data\":{\"n\":1,\"text\":\"\"}}\n\n",
        "event: next\nid: c2\ndata: {\"data\":{\"n\":2,\"text\":\"\"}}\n\n",
        "event: complete\ndata:\n\n",
    );
    assert_eq!(events(response).await, expected);
    assert_eq!(events(get(&server, "count 2").await).await, expected);
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_id() {
    let server = Server::start().await;
    let request = Client::new()
        .get(format!("{}?query=count%203", server.url("http")))
        .header("Last-Event-ID", "c2");
    let expected = concat!(
        "event: next\nid: c3\ndata: {\"data\":{\"n\":3,\"text\":\"\"}}\n\n",
        "event: complete\ndata:\n\n",
    );
    assert_eq!(events(request.send().await.unwrap()).await, expected);
}

#[tokio::test]
async fn a_stream_whose_token_expires_ends_without_complete() {
    let server = Server::start().await;
    let request = Client::new()
        .post(server.url("http"))
        .header("x-short", "1")
        .json(&json!({ "query": "silent" }));
    let stream = events(request.send().await.unwrap());
    let stream = tokio::time::timeout(TIMEOUT, stream).await.unwrap();
    assert_eq!(stream, "");
    server.until(&server.engine.open, 0).await;
}

#[tokio::test]
async fn a_mutation_is_one_event_by_post_and_rejected_by_get() {
    let server = Server::start().await;
    let expected = "event: next\ndata: {\"data\":{\"done\":true}}\n\nevent: complete\ndata:\n\n";
    assert_eq!(events(post(&server, "mutation").await).await, expected);

    let response = get(&server, "mutation").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
    let content_type = "application/json; charset=utf-8";
    assert_eq!(response.headers()["content-type"], content_type);
    let expected = json!({ "errors": [{
        "message": "no mutation by GET", "extensions": { "code": "BAD_REQUEST" },
    }] });
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body, expected);
}

#[tokio::test]
async fn an_invalid_document_is_reported_in_the_stream() {
    let server = Server::start().await;
    let expected = concat!(
        "event: next\n",
        "data: {\"errors\":[{\"message\":\"no\",\"extensions\":{\"code\":\"GRAPHQL_PARSE_FAILED\"}}]}\n\n",
        "event: complete\ndata:\n\n",
    );
    assert_eq!(events(post(&server, "rejected").await).await, expected);
}

#[tokio::test]
async fn any_other_rejection_keeps_its_status() {
    let server = Server::start().await;
    for status in [401, 403, 429, 503] {
        let response = post(&server, &format!("rejected {status}")).await;
        assert_eq!(response.status().as_u16(), status);
    }
}

#[tokio::test]
async fn an_idle_stream_is_kept_alive_by_comments() {
    let server = Server::start().await;
    let mut response = post(&server, "silent").await;
    let read = until(&mut response, ": \n\n: \n\n: \n\n").await;
    assert_eq!(read.replace(": \n\n", ""), "");
}

#[tokio::test]
async fn a_stream_ends_without_complete_when_the_server_stops() {
    let server = Server::start().await;
    let mut response = post(&server, "silent").await;
    until(&mut response, ": \n\n").await;
    server.shutdown.token().cancel();
    assert_eq!(events(response).await, "");
    server.until(&server.engine.open, 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_subscription() {
    let server = Server::start().await;
    let mut response = post(&server, "silent").await;
    until(&mut response, ": \n\n").await;
    server.until(&server.engine.open, 1).await;
    drop(response);
    server.until(&server.engine.open, 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_its_source() {
    let server = Server::start().await;
    let response = post(&server, "forever").await;
    let produced = server.standstill().await;
    // The limit depends on the buffers of both ends; with 10 kB per event, this is 40 MB.
    assert!(produced < 4_000, "{produced}");
    let mut chunks = response.bytes_stream();
    let mut read = 0;
    while read < 3 * 10_000 * produced {
        read += chunks.next().await.unwrap().unwrap().len();
    }
    let later = server
        .engine
        .produced
        .load(std::sync::atomic::Ordering::SeqCst);
    assert!(later > 2 * produced, "{later} after {produced}");
}

#[tokio::test]
async fn operations_under_way_get_their_response_when_the_server_stops() {
    let server = Server::start().await;
    let (requested_server, held) = (server.clone(), server.engine.open.clone());
    let response = tokio::spawn(async move { post(&requested_server, "held").await });
    server.until(&held, 1).await;
    server.shutdown.token().cancel();
    server.engine.gate.let_through(1);
    let expected = "event: next\ndata: {\"data\":{\"done\":true}}\n\nevent: complete\ndata:\n\n";
    assert_eq!(events(response.await.unwrap()).await, expected);
}

#[tokio::test]
async fn an_idle_stream_sends_ids_for_resuming() {
    let server = Server::start().await;
    let mut response = post(&server, "passing").await;
    let read = until(&mut response, "c2").await;
    assert_eq!(read, ": \n\nid: c0\n\nid: c1\n\nid: c2\n\n");
}

#[tokio::test]
async fn a_subscription_without_a_database_is_rejected_before_its_stream_begins() {
    let server = Server::start().await;
    for response in [post(&server, "away").await, get(&server, "away").await] {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body: serde_json::Value = response.json().await.unwrap();
        let expected = json!({ "errors": [{
            "message": "no database", "extensions": { "code": "UNAVAILABLE" },
        }] });
        assert_eq!(body, expected);
    }
}
