//! Messages in many fragments: a client decides how many frames a message has, so they must cost little, and end.

use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;

/// A part of a text message.
fn fragment(text: &str, is_first: bool, is_last: bool) -> Message {
    let data = if is_first { Data::Text } else { Data::Continue };
    let payload = text.as_bytes().to_vec();
    Message::Frame(Frame::message(payload, OpCode::Data(data), is_last))
}

impl Client {
    /// Sends a message of ASCII letters, each in a fragment of its own.
    async fn send_letters(&mut self, text: &str) {
        for place in 0..text.len() {
            let letter = &text[place..=place];
            let part = fragment(letter, place == 0, place + 1 == text.len());
            if self.0.feed(part).await.is_err() {
                // The server has closed; the test reads its code.
                return;
            }
        }
        let _ = self.0.flush().await;
    }
}

#[tokio::test]
async fn a_message_in_a_hundred_thousand_fragments_is_read_like_another() {
    let server = Server::start().await;
    let mut client = Client::ready(&server).await;
    let payload = json!({ "text": "x".repeat(100_000) });
    let ping = json!({ "type": "ping", "payload": payload });
    client.send_letters(&ping.to_string()).await;
    let expected = json!({ "type": "pong", "payload": payload });
    assert_eq!(client.receive().await, expected);
}

#[tokio::test]
async fn a_message_over_the_limit_in_fragments_closes_with_1009() {
    let server = Server::with(|settings| settings.message_bytes = 10_000).await;
    let mut client = Client::ready(&server).await;
    let [fits, too_big] = [10_000, 10_001].map(|bytes| {
        let empty = json!({ "type": "ping", "payload": { "text": "" } }).to_string();
        let text = "x".repeat(bytes - empty.len());
        json!({ "type": "ping", "payload": { "text": text } }).to_string()
    });
    client.send_letters(&fits).await;
    assert_eq!(client.receive().await["type"], "pong");
    client.send_letters(&too_big).await;
    assert_eq!(client.closed().await, code(1009, "Message too big"));
}

/// Sends fragments without end, which add no bytes to their message.
async fn send_without_end(client: &mut Client) {
    let mut is_first = true;
    loop {
        if client.0.feed(fragment("", is_first, false)).await.is_err() {
            return;
        }
        is_first = false;
        if client.0.flush().await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn an_endless_message_times_out_and_others_are_served() {
    let server = Server::with(|settings| settings.silence = Duration::from_secs(1)).await;
    let mut endless = Client::ready(&server).await;
    let mut other = Client::ready(&server).await;
    let sending = async { timeout(TIMEOUT, send_without_end(&mut endless)).await };
    let pings = async {
        for _ in 0..20 {
            other.send(json!({ "type": "ping" })).await;
            assert_eq!(other.receive().await, json!({ "type": "pong" }));
        }
    };
    let (sent, ()) = tokio::join!(sending, pings);
    assert!(sent.is_ok(), "the server still reads");
}

#[tokio::test]
async fn fragments_do_not_extend_the_initialisation_timeout() {
    let server = Server::with(|settings| {
        settings.initialisation = Duration::from_millis(200);
        settings.close_timeout = Duration::from_millis(200);
    })
    .await;
    let client = Client::open(&server).await;
    let (mut sink, mut stream) = client.0.split();
    let sending = async {
        let mut is_first = true;
        while sink.send(fragment("", is_first, false)).await.is_ok() {
            is_first = false;
        }
    };
    let closed = async {
        loop {
            match timeout(TIMEOUT, stream.next()).await.unwrap() {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    tokio::select! {
        code = closed => assert_eq!(code, Some(4408_u16)),
        () = sending => panic!("the connection ended without a code"),
    }
}
