//! The messages of a WebSocket's client.

use graphql_transports::websocket::message::ClientMessage;
use serde_json::{Map, Value};

use crate::reference::{self, may_be_object, member};
use crate::target::{Target, ensure, kind, text};

use super::http_body::check_params;

pub(crate) struct WebSocketMessage;

/// The longest id of an operation, in bytes.
const MAX_ID_BYTES: usize = 256;
/// The longest payload of `connection_init`, in bytes.
const MAX_INIT_BYTES: usize = 16 * 1024;

impl Target for WebSocketMessage {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let seeds = [
            r#"{"type":"connection_init","payload":{"Authorization":"Bearer a"}}"#,
            r#"{"type":"connection_init"}"#,
            r#"{"type":"ping","payload":null}"#,
            r#"{"type":"pong","payload":{"a":[1]}}"#,
            r#"{"id":"1","type":"subscribe","payload":{"query":"{ a }","variables":{"x":1},"operationName":null}}"#,
            r#"{"type":"subscribe","id":"é\"","payload":{"documentId":"7"}}"#,
            r#"{"id":"1","type":"complete"}"#,
            r#"{"type":"start","id":1}"#,
        ];
        seeds.map(Into::into).into()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &[
            "\"type\":",
            "\"id\":",
            "\"payload\":",
            "\"subscribe\"",
            "\"complete\"",
            "\"ping\"",
            "\"connection_init\"",
            "\"query\":",
            "null",
            "{}",
            "[]",
            "\"\"",
            ",",
            "\\u0069",
            "\\ud800",
            "{\"a\":",
            "[[[[",
            "\u{FEFF}",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ]
    }

    fn check(&self, input: &[u8]) -> Result<u64, String> {
        let message = text(input);
        let read = ClientMessage::parse(&message);
        if let Ok(object) = reference::object(message.as_bytes()) {
            let may = object.as_ref().is_some_and(is_message);
            ensure(read.is_ok() == may, || {
                format!("{object:?} is read as {read:?}")
            })?;
        }
        Ok(match read {
            Ok(ClientMessage::ConnectionInit(payload)) => {
                let bytes = payload.as_ref().map_or(0, |payload| payload.as_str().len());
                ensure(bytes <= MAX_INIT_BYTES, || {
                    format!("a payload of {bytes} bytes")
                })?;
                kind(("init", payload.is_some()))
            }
            Ok(ClientMessage::Ping(payload)) => kind(("ping", payload.is_some())),
            Ok(ClientMessage::Pong) => kind("pong"),
            Ok(ClientMessage::Subscribe { id, params }) => {
                check_id(&id)?;
                kind((
                    "subscribe",
                    params.query.is_some(),
                    params.variables.is_absent(),
                ))
            }
            Ok(ClientMessage::Complete { id }) => {
                check_id(&id)?;
                kind("complete")
            }
            Err(reason) => kind(
                reason
                    .chars()
                    .filter(|c| !c.is_ascii_digit())
                    .collect::<String>(),
            ),
        })
    }
}

fn check_id(id: &str) -> Result<(), String> {
    ensure((1..=MAX_ID_BYTES).contains(&id.len()), || {
        format!("an id of {} bytes", id.len())
    })
}

/// Whether the protocol has this message.
fn is_message(object: &Map<String, Value>) -> bool {
    let has_id = object
        .get("id")
        .and_then(Value::as_str)
        .is_some_and(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
    let payload = member(object, "payload");
    match object.get("type").and_then(Value::as_str) {
        // Inputs are shorter than the longest payload.
        Some("connection_init" | "ping" | "pong") => may_be_object(object, "payload"),
        Some("subscribe") => {
            let payload = payload.and_then(Value::as_object);
            let read = |payload: &Map<String, Value>| {
                let text = Value::from(payload.clone()).to_string();
                let params =
                    graphql_transports::operation::GraphQLParams::from_json(text.as_bytes());
                check_params(&params, Some(payload)).is_ok() && params.is_ok()
            };
            has_id && payload.is_some_and(read)
        }
        Some("complete") => has_id,
        _ => false,
    }
}
