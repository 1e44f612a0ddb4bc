//! The messages of `graphql-transport-ws`, from clients and to them, and close frames.

use axum::extract::ws::{CloseFrame, Message};
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::operation::GraphQLParams;
use graphql_guard::json::{self, ObjectText};

/// The maximum length of an operation's id, which is kept as long as the operation runs.
const MAX_ID_BYTES: usize = 256;

/// The maximum length of a close reason (RFC 6455, section 5.5).
const MAX_REASON_BYTES: usize = 123;

/// The maximum length of the payload of `connection_init`, which is kept as long as the socket is open.
const MAX_INIT_BYTES: usize = 16 * 1024;

/// A message from a client.
#[derive(Debug, PartialEq)]
pub enum ClientMessage {
    /// The first message, with the client's credential.
    ConnectionInit(Option<ObjectText>),
    /// Asks for a `pong` with the same payload.
    Ping(Option<ObjectText>),
    /// A response to a ping, or a heartbeat.
    Pong,
    /// Begins an operation.
    Subscribe {
        /// Identifies the operation on this socket; 1 to 256 bytes.
        id: String,
        /// The request.
        params: GraphQLParams,
    },
    /// Ends an operation.
    Complete {
        /// The operation's id.
        id: String,
    },
}

impl ClientMessage {
    /// Parses a message.
    ///
    /// # Errors
    /// The reason to close with 4400.
    pub fn parse(text: &str) -> Result<Self, String> {
        let not_json = |error| format!("Message is not valid JSON: {error}");
        let text = json::without_byte_order_mark(text.as_bytes());
        let members = json::members(text, ["type", "id", "payload"]).map_err(not_json)?;
        let [kind, id, payload] = members.ok_or("Message must be an object")?;
        let kind = kind.and_then(|kind| json::string(kind).ok()?);
        match kind.ok_or("Message must have a type, a string")?.as_str() {
            "connection_init" => Ok(Self::ConnectionInit(init(payload)?)),
            "ping" => Ok(Self::Ping(object(payload)?)),
            "pong" => object(payload).map(|_| Self::Pong),
            "subscribe" => {
                let id = read_id(id)?;
                let payload = object(payload)?.ok_or("Message must have a payload")?;
                let params = GraphQLParams::from_json(payload.as_str().as_bytes())
                    .map_err(|error| format!("Invalid payload: {error}"))?;
                Ok(Self::Subscribe { id, params })
            }
            "complete" => Ok(Self::Complete { id: read_id(id)? }),
            _ => Err("Unknown message type".to_owned()),
        }
    }
}

fn read_id(id: Option<&RawValue>) -> Result<String, String> {
    match id.and_then(|id| json::string(id).ok()?) {
        Some(id) if id.is_empty() => Err("Message id must not be empty".to_owned()),
        Some(id) if id.len() > MAX_ID_BYTES => {
            Err(format!("Message id must have at most {MAX_ID_BYTES} bytes"))
        }
        Some(id) => Ok(id),
        None => Err("Message must have an id, a string".to_owned()),
    }
}

fn object(payload: Option<&RawValue>) -> Result<Option<ObjectText>, String> {
    let Some(payload) = payload.filter(|payload| !json::is_null(payload)) else {
        return Ok(None);
    };
    match ObjectText::new(payload) {
        Some(payload) => Ok(Some(payload)),
        None => Err("Message payload must be an object".to_owned()),
    }
}

fn init(payload: Option<&RawValue>) -> Result<Option<ObjectText>, String> {
    let payload = object(payload)?;
    let bytes = payload.as_ref().map_or(0, |payload| payload.as_str().len());
    match bytes <= MAX_INIT_BYTES {
        true => Ok(payload),
        false => Err(format!(
            "The payload of connection_init must have at most {MAX_INIT_BYTES} bytes"
        )),
    }
}

pub(super) fn connection_ack() -> Message {
    Message::from(r#"{"type":"connection_ack"}"#)
}

pub(super) fn pong(payload: Option<ObjectText>) -> Message {
    match payload {
        Some(payload) => Message::from(format!(
            r#"{{"type":"pong","payload":{}}}"#,
            payload.as_str()
        )),
        None => Message::from(r#"{"type":"pong"}"#),
    }
}

/// `result` is a complete response.
pub(super) fn next(id: &str, result: &Bytes) -> Message {
    with_payload("next", id, result)
}

/// `errors` is a JSON list of errors.
pub(super) fn error(id: &str, errors: &Bytes) -> Message {
    with_payload("error", id, errors)
}

pub(super) fn complete(id: &str) -> Message {
    Message::from(json!({ "id": id, "type": "complete" }).to_string())
}

/// Wraps JSON in a message without parsing it.
fn with_payload(kind: &str, id: &str, payload: &Bytes) -> Message {
    let id = Value::from(id).to_string();
    // A text frame must be UTF-8, which all JSON writers produce; any invalid byte is replaced.
    let payload = String::from_utf8_lossy(payload);
    let mut text = String::with_capacity(id.len() + payload.len() + 40);
    for part in [
        r#"{"id":"#,
        &id,
        r#","type":""#,
        kind,
        r#"","payload":"#,
        &payload,
        "}",
    ] {
        text.push_str(part);
    }
    Message::from(text)
}

/// A close frame; a reason that is too long is truncated.
pub(super) fn close(code: u16, reason: &str) -> CloseFrame {
    let end = reason.floor_char_boundary(MAX_REASON_BYTES);
    CloseFrame {
        code,
        reason: reason.split_at(end).0.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(message: &Value) -> Result<ClientMessage, String> {
        ClientMessage::parse(&message.to_string())
    }

    #[test]
    fn every_message_of_the_protocol_is_read() {
        let payload = json!({ "token": "t" });
        let object = payload.as_object().map(ObjectText::from);
        let params = GraphQLParams {
            query: Some("{ a }".to_owned()),
            ..GraphQLParams::default()
        };
        let id = || "1".to_owned();
        for (message, expected) in [
            (
                json!({ "type": "connection_init" }),
                ClientMessage::ConnectionInit(None),
            ),
            (
                json!({ "type": "connection_init", "payload": payload }),
                ClientMessage::ConnectionInit(object.clone()),
            ),
            (
                json!({ "type": "ping", "payload": null }),
                ClientMessage::Ping(None),
            ),
            (
                json!({ "type": "ping", "payload": payload }),
                ClientMessage::Ping(object),
            ),
            (json!({ "type": "pong" }), ClientMessage::Pong),
            (
                json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ a }" } }),
                ClientMessage::Subscribe { id: id(), params },
            ),
            (
                json!({ "type": "complete", "id": "1" }),
                ClientMessage::Complete { id: id() },
            ),
        ] {
            assert_eq!(parse(&message), Ok(expected), "{message}");
        }
    }

    #[test]
    fn other_messages_are_rejected_with_a_reason() {
        for (message, reason) in [
            (json!([]), "Message must be an object"),
            (json!({}), "Message must have a type, a string"),
            (json!({ "type": 1 }), "Message must have a type, a string"),
            (
                json!({ "type": "start", "id": "1" }),
                "Unknown message type",
            ),
            (json!({ "type": "connection_ack" }), "Unknown message type"),
            (
                json!({ "type": "connection_init", "payload": [] }),
                "Message payload must be an object",
            ),
            (
                json!({ "type": "pong", "payload": 1 }),
                "Message payload must be an object",
            ),
            (
                json!({ "type": "complete" }),
                "Message must have an id, a string",
            ),
            (
                json!({ "type": "complete", "id": 1 }),
                "Message must have an id, a string",
            ),
            (
                json!({ "type": "complete", "id": "" }),
                "Message id must not be empty",
            ),
            (
                json!({ "type": "complete", "id": "x".repeat(257) }),
                "Message id must have at most 256 bytes",
            ),
            (
                json!({ "type": "subscribe", "id": "1" }),
                "Message must have a payload",
            ),
            (
                json!({ "type": "subscribe", "id": "1", "payload": {} }),
                "Invalid payload: `query` is missing",
            ),
            (
                json!({ "type": "subscribe", "id": "1", "payload": { "query": "", "variables": [] } }),
                "Invalid payload: `variables` must be an object",
            ),
        ] {
            assert_eq!(parse(&message), Err(reason.to_owned()), "{message}");
        }
    }

    #[test]
    fn the_payload_of_connection_init_is_limited() {
        let message = |bytes: usize| {
            // The braces, the member's name and the quotes take eight bytes.
            let text = "x".repeat(bytes - 8);
            parse(&json!({ "type": "connection_init", "payload": { "a": text } }))
        };
        assert!(message(MAX_INIT_BYTES).is_ok());
        assert_eq!(
            message(MAX_INIT_BYTES + 1),
            Err("The payload of connection_init must have at most 16384 bytes".to_owned())
        );
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        let message = ClientMessage::parse("\u{FEFF}{\"type\":\"pong\"}");
        assert_eq!(message, Ok(ClientMessage::Pong));
    }

    #[test]
    fn responses_are_embedded_unchanged_in_messages() {
        let body = Bytes::from_static(b"{\"data\": 1}");
        let expected = r#"{"id":"\"1\"","type":"next","payload":{"data": 1}}"#;
        assert_eq!(next("\"1\"", &body), Message::from(expected));
    }

    #[test]
    fn a_close_reason_is_truncated_at_a_character() {
        let frame = close(4409, &"é".repeat(100));
        assert_eq!(frame.reason.as_str(), "é".repeat(61));
    }
}
