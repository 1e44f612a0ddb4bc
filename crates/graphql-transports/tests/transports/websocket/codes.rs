//! Which code a socket is closed with, and when.

use super::*;

#[tokio::test]
async fn a_malformed_message_closes_with_4400_and_a_reason() {
    let server = Server::start().await;
    for (text, reason) in [
        (
            "{",
            "Message is not valid JSON: EOF while parsing an object at line 1 column 1",
        ),
        ("[]", "Message must be an object"),
        (r#"{"type":"start","id":"1"}"#, "Unknown message type"),
        (
            r#"{"type":"subscribe","id":"1"}"#,
            "Message must have a payload",
        ),
    ] {
        let mut client = Client::ready(&server).await;
        client.send_text(text).await;
        assert_eq!(client.closed().await, code(4400, reason), "{text}");
    }
    let mut client = Client::ready(&server).await;
    client.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(client.closed().await, code(4400, "Messages must be text"));
}

#[tokio::test]
async fn a_subscribe_before_the_acknowledgement_closes_with_4401() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("1", "count 1").await;
    assert_eq!(client.closed().await, code(4401, "Unauthorized"));
}

#[tokio::test]
async fn a_rejected_initialisation_closes_with_4403() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    let init = json!({ "token": "wrong" });
    client
        .send(json!({ "type": "connection_init", "payload": init }))
        .await;
    let reason = "the token is not valid";
    assert_eq!(client.closed().await, code(4403, reason));
}

#[tokio::test]
async fn an_initialisation_without_keys_closes_with_1013() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    let init = json!({ "token": "undecided" });
    client
        .send(json!({ "type": "connection_init", "payload": init }))
        .await;
    let reason = "the keys are not known";
    assert_eq!(client.closed().await, code(1013, reason));
}

#[tokio::test]
async fn ended_admission_closes_with_4403() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    let init = json!({ "token": "short" });
    client
        .send(json!({ "type": "connection_init", "payload": init }))
        .await;
    assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
    assert_eq!(client.closed().await, code(4403, "Admission has ended"));
}

#[tokio::test]
async fn a_client_without_the_subprotocol_is_closed_with_4406() {
    let server = Server::start().await;
    // A client that offers a subprotocol would reject the handshake itself, because its protocol was not chosen.
    let mut client = Client::connect(&server, &[]).await.unwrap();
    assert_eq!(
        client.closed().await,
        code(4406, "Subprotocol not acceptable")
    );
}

#[tokio::test]
async fn the_subprotocol_is_found_anywhere_in_the_offer() {
    let server = Server::start().await;
    let offer = format!("graphql-ws, {SUBPROTOCOL}");
    let headers = [("sec-websocket-protocol", offer.as_str())];
    let mut client = Client::connect(&server, &headers).await.unwrap();
    client.send(json!({ "type": "connection_init" })).await;
    assert_eq!(client.receive().await, json!({ "type": "connection_ack" }));
}

#[tokio::test]
async fn a_client_that_does_not_initialise_in_time_is_closed_with_4408() {
    let server =
        Server::with(|settings| settings.initialisation = Duration::from_millis(100)).await;
    let expected = code(4408, "Connection initialisation timeout");
    let mut silent = Client::open(&server).await;
    assert_eq!(silent.closed().await, expected);

    let mut undecided = Client::open(&server).await;
    let init = json!({ "token": "slow" });
    undecided
        .send(json!({ "type": "connection_init", "payload": init }))
        .await;
    assert_eq!(undecided.closed().await, expected);
}

#[tokio::test]
async fn a_second_operation_of_the_same_id_closes_with_4409() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    for _ in 0..2 {
        client.subscribe("one", "silent").await;
    }
    let expected = code(4409, "Subscriber for one already exists");
    assert_eq!(client.closed().await, expected);
    server.until(&server.engine.open, 0).await;
}

#[tokio::test]
async fn a_second_initialisation_closes_with_4429() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.send(json!({ "type": "connection_init" })).await;
    assert_eq!(
        client.closed().await,
        code(4429, "Too many initialisation requests")
    );
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let server = Server::with(|settings| settings.message_bytes = 10_000).await;
    for bytes in [10_001, 5_000_000] {
        let mut client = Client::ready(&server).await;
        client.send_text(&"x".repeat(bytes)).await;
        assert_eq!(
            client.closed().await,
            code(1009, "Message too big"),
            "{bytes}"
        );
    }
}
