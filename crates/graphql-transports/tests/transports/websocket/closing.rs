//! A socket that is closed so that its client reconnects: operations under way get their responses, new ones are
//! ignored, then it is closed.

use super::*;

fn done(id: &str) -> Value {
    json!({ "id": id, "type": "next", "payload": { "data": { "done": true } } })
}

/// A socket with a subscription, and two other operations under way.
async fn busy(server: &Server) -> Client {
    let mut client = Client::ready(server).await;
    client.subscribe("subscription", "silent").await;
    client.subscribe("1", "held").await;
    client.subscribe("2", "held").await;
    server.until(&server.engine.open, 3).await;
    client
}

/// Lets the two operations end one after the other, and checks that no response is lost and no new operation begins.
async fn is_answered_and_closed(server: &Server, mut client: Client, expected: Closed) {
    assert!(client.is_quiet().await, "it was closed at once");
    client.subscribe("late", "count 1").await;
    assert!(client.is_quiet().await, "an operation was taken");
    for _ in 0..2 {
        server.engine.gate.let_through(1);
        let message = client.receive().await;
        let id = message["id"].as_str().unwrap().to_owned();
        assert_eq!(message, done(&id));
        assert_eq!(client.receive().await, complete(&id));
    }
    assert_eq!(client.closed().await, expected);
    server.until(&server.engine.open, 0).await;
}

#[tokio::test]
async fn operations_under_way_get_responses_before_the_close_with_1001() {
    let server = Server::start().await;
    let client = busy(&server).await;
    server.shutdown.token().cancel();
    let expected = code(1001, "The server is shutting down");
    is_answered_and_closed(&server, client, expected).await;
}

#[tokio::test]
async fn a_subscription_without_a_database_closes_with_1013_after_other_operations() {
    let server = Server::start().await;
    let mut client = busy(&server).await;
    client.subscribe("3", "away").await;
    let expected = code(1013, "no database");
    is_answered_and_closed(&server, client, expected).await;
}

#[tokio::test]
async fn ended_admission_closes_after_operations_under_way() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    let init = json!({ "token": "short" });
    client
        .send(json!({ "type": "connection_init", "payload": init }))
        .await;
    assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
    client.subscribe("1", "held").await;
    server.until(&server.engine.open, 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.engine.gate.let_through(1);
    assert_eq!(client.receive().await, done("1"));
    assert_eq!(client.receive().await, complete("1"));
    assert_eq!(client.closed().await, code(4403, "Admission has ended"));
}

#[tokio::test]
async fn a_subscription_sends_nothing_after_admission_has_ended() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    let init = json!({ "token": "short" });
    client
        .send(json!({ "type": "connection_init", "payload": init }))
        .await;
    assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
    client.subscribe("1", "held").await;
    client.subscribe("2", "forever").await;
    // Receives events until the token expires; otherwise they would never end.
    while !client.is_quiet().await {}
    server.engine.gate.let_through(1);
    assert_eq!(client.receive().await, done("1"));
    assert_eq!(client.receive().await, complete("1"));
    assert_eq!(client.closed().await, code(4403, "Admission has ended"));
}

#[tokio::test]
async fn operations_stopped_by_the_client_are_not_awaited() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "stuck").await;
    server.until(&server.engine.open, 1).await;
    server.shutdown.token().cancel();
    assert!(client.is_quiet().await);
    client.send(complete("1")).await;
    let expected = code(1001, "The server is shutting down");
    assert_eq!(client.closed().await, expected);
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_delay_the_close() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "forever").await;
    server.standstill().await;
    server.shutdown.token().cancel();
    server.until(&server.engine.open, 0).await;
}

#[tokio::test]
async fn stopping_the_server_takes_precedence_over_other_reasons() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "held").await;
    client.subscribe("2", "away").await;
    assert!(client.is_quiet().await);
    server.shutdown.token().cancel();
    server.engine.gate.let_through(1);
    assert_eq!(client.receive().await, done("1"));
    assert_eq!(client.receive().await, complete("1"));
    let expected = code(1001, "The server is shutting down");
    assert_eq!(client.closed().await, expected);
}
