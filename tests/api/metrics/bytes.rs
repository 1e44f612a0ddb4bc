//! Metrics of bytes, and of repeated requests.

use rstest_reuse::apply;
use serde_json::json;

use super::count;
use crate::socket::Socket;
use crate::support::{Answer, Database, client, on_both_databases, start};

#[apply(on_both_databases)]
async fn bytes_of_bodies_and_connections_are_counted_in_and_out(database: Database) {
    const RECEIVED: &str = "broadsheet_received_bytes_total";
    const SENT: &str = "broadsheet_sent_bytes_total";
    const REQUESTS: &str = "broadsheet_request_body_bytes_total";
    const RESPONSES: &str = "broadsheet_http_response_body_bytes_total{route=\"/graphql\"}";
    let app = start!(database);
    let body = json!({ "query": "{ articles { id } }" }).to_string();
    let ask = async || {
        let request = client().post(app.url("/graphql"));
        let request = request.header("content-type", "application/json");
        Answer::to(request.body(body.clone())).await
    };
    let answer = ask().await;
    assert_eq!(answer.body, r#"{"data":{"articles":[]}}"#);
    let before = app.get("/metrics").await.body;
    let repetitions = 10;
    for _ in 0..10 {
        ask().await;
    }
    let after = app.get("/metrics").await.body;
    let grown = |name| count(&after, name) - count(&before, name);
    let (sent, got) = (body.len() * repetitions, answer.body.len() * repetitions);
    assert_eq!(grown(REQUESTS), sent);
    assert_eq!(grown(RESPONSES), got);
    // Including heads, and the page of metrics.
    assert!(grown(RECEIVED) > sent, "{}", grown(RECEIVED));
    assert!(grown(SENT) > got, "{}", grown(SENT));

    // Also on a socket, and of a stream, whose length is not known in advance.
    let mut socket = Socket::ready(&app.address.to_string()).await;
    socket.subscribe("1", "{ articles { id } }").await;
    assert_eq!(socket.receive().await["type"], "next");
    let list = app.get("/api/v1/articles/").await.body.len();
    let at_last = app.get("/metrics").await.body;
    assert!(count(&at_last, REQUESTS) > count(&after, REQUESTS));
    let lists = "broadsheet_http_response_body_bytes_total{route=\"/api/v1/articles/\"}";
    assert_eq!(count(&at_last, lists), list);
    // A HEAD has no body.
    let head = client().head(app.url("/api/v1/articles/"));
    Answer::to(head).await;
    assert_eq!(count(&app.get("/metrics").await.body, lists), list);
}

#[apply(on_both_databases)]
async fn repeated_requests_and_documents_are_counted(database: Database) {
    const REQUESTS: &str = "graphql_server_request_cache_hits_total";
    const DOCUMENTS: &str = "graphql_server_document_cache_hits_total";
    const PARSED: &str = "graphql_server_request_parse_duration_seconds_count";
    let app = start!(database);
    // Parsed the first time, then cached, then found by the bytes of the body.
    for _ in 0..5 {
        app.query("{ articles { id slug } }").await;
    }
    let metrics = app.get("/metrics").await.body;
    let counts = [PARSED, DOCUMENTS, REQUESTS].map(|name| count(&metrics, name));
    assert_eq!(counts, [1, 1, 3]);
}
