//! Clients that read slowly or not at all, and operations that send a lot.

use super::*;

#[tokio::test]
async fn a_busy_operation_does_not_starve_another() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("busy", "forever").await;
    assert_eq!(client.receive().await["id"], "busy");
    client.subscribe("calm", "count 20").await;
    let (mut busy, mut calm) = (0, 0);
    while calm < 20 {
        let message = client.receive().await;
        if message["id"] == "calm" {
            calm += 1;
        } else if calm > 0 {
            busy += 1;
        }
    }
    let fair = 20 * WebSocketSettings::default().queue;
    assert!(
        busy <= fair,
        "{busy} events of the busy one among 20 of the other"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_its_source_and_then_gets_every_event() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "forever").await;
    let produced = server.standstill().await;
    // The limit depends on the buffers of both ends; with 10 kB per event, this is 40 MB.
    assert!(produced < 4_000, "{produced}");
    for number in 1..=3 * produced {
        let message = client.receive().await;
        assert_eq!(message["payload"]["data"]["n"], number);
    }
}

#[tokio::test]
async fn a_client_that_ignores_pings_is_disconnected() {
    let server = Server::with(|settings| {
        settings.ping_every = Duration::from_millis(50);
        settings.silence = Duration::from_millis(200);
    })
    .await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "silent").await;
    server.until(&server.engine.open, 1).await;
    // A client that is not polled does not respond to pings.
    server.until(&server.engine.open, 0).await;
    while let Some(Ok(message)) = client.0.next().await {
        assert!(message.is_ping(), "{message:?}");
    }
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_connected() {
    let server = Server::with(|settings| {
        settings.ping_every = Duration::from_millis(50);
        settings.silence = Duration::from_millis(400);
    })
    .await;
    let mut client = Client::ready(&server).await;
    client.subscribe("1", "silent").await;
    let listening = async { while client.0.next().await.is_some_and(|read| read.is_ok()) {} };
    assert!(
        timeout(Duration::from_millis(1_200), listening)
            .await
            .is_err()
    );
    assert_eq!(server.engine.open.load(Ordering::SeqCst), 1);
}
