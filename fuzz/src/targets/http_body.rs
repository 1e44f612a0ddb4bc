//! The parameters of a request over HTTP: its JSON body, or the query of its URL.

use graphql_transports::operation::{GraphQLParams, InvalidParams};
use serde_json::{Map, Value};

use crate::reference::{self, may_be_object, may_be_string, member};
use crate::target::{Target, ensure, kind, text};

pub(crate) struct HttpBody;

/// The longest message to a client, in bytes.
const MAX_MESSAGE_BYTES: usize = 1_000;

impl Target for HttpBody {
    fn name(&self) -> &'static str {
        "http-body"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let seeds = [
            r#"{"query":"{ a }"}"#,
            r#"{"query":"query A($x: Int) { a }","operationName":"A","variables":{"x":[1,{"y":null}]},"extensions":{}}"#,
            r#"{"documentId":"sha256:7f","variables":null,"operationName":""}"#,
            "\u{FEFF} {\"extensions\":{\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"7f\"}}} ",
            r#"[{"query":"{ a }"}]"#,
            r#"{"query":"\u00e9\ud83d\ude00","query":null,"query":"{ b }"}"#,
            "?query=%7B%20a%20%7D&variables=%7B%22x%22%3A1%7D&operationName=A&extensions=",
            "?documentId=7&variables=[]&query=a+b",
        ];
        seeds.map(Into::into).into()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &[
            "\"query\":",
            "\"documentId\":",
            "\"operationName\":",
            "\"variables\":",
            "\"extensions\":",
            "\"persistedQuery\":",
            "null",
            "{}",
            "[]",
            "\"\"",
            "true",
            ",",
            "\\u0071",
            "\\ud800",
            "{\"a\":",
            "[[[[",
            "?",
            "&variables=%7B",
            "%EF%BB%BF",
            "%",
        ]
    }

    fn check(&self, input: &[u8]) -> Result<u64, String> {
        if let Some(query) = input.strip_prefix(b"?") {
            return of_url(&GraphQLParams::from_url_query(&text(query)));
        }
        let read = GraphQLParams::from_json(input);
        if let Ok(object) = reference::object(input) {
            check_params(&read, object.as_ref())?;
        }
        outcome(&read)
    }
}

fn of_url(read: &Result<GraphQLParams, InvalidParams>) -> Result<u64, String> {
    if let Ok(params) = read {
        let has_document = params.query.is_some() || params.names_a_document();
        ensure(has_document, || format!("{params:?} has no document"))?;
        let is_object = |text: &str| {
            serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
                && text.starts_with('{')
        };
        ensure(is_object(params.variables.as_str()), || {
            format!("the variables of {params:?}")
        })?;
    }
    outcome(read)
}

fn outcome(read: &Result<GraphQLParams, InvalidParams>) -> Result<u64, String> {
    match read {
        Ok(params) => Ok(kind((
            params.query.is_some(),
            params.document_id.is_some(),
            params.operation_name.is_some(),
            params.variables.is_absent(),
            params.extensions.is_absent(),
        ))),
        Err(error) => {
            let message = error.to_string();
            ensure(message.len() <= MAX_MESSAGE_BYTES, || {
                format!("a message of {} bytes", message.len())
            })?;
            Ok(kind(
                message
                    .chars()
                    .filter(|c| !c.is_ascii_digit())
                    .collect::<String>(),
            ))
        }
    }
}

/// Checks that the parameters are those of the object, or an error if the object is not a request.
pub(super) fn check_params(
    read: &Result<GraphQLParams, InvalidParams>,
    object: Option<&Map<String, Value>>,
) -> Result<(), String> {
    let expected = object.filter(|object| is_request(object));
    match (read, expected) {
        (Err(_), None) => Ok(()),
        (Ok(params), None) => Err(format!("{params:?} is of no request")),
        (Err(error), Some(object)) => Err(format!("{object:?} is rejected: {error}")),
        (Ok(params), Some(object)) => {
            let string = |name| member(object, name).and_then(Value::as_str);
            let is_equal = params.query.as_deref() == string("query")
                && params.document_id.as_deref() == string("documentId")
                && params.operation_name.as_deref()
                    == string("operationName").filter(|name| !name.is_empty())
                && value(params.variables.as_str()) == Some(values(object, "variables"))
                && value(params.extensions.as_str()) == Some(values(object, "extensions"));
            ensure(is_equal, || format!("{object:?} is read as {params:?}"))
        }
    }
}

fn is_request(object: &Map<String, Value>) -> bool {
    let has_types = ["query", "documentId", "operationName"]
        .iter()
        .all(|name| may_be_string(object, name))
        && ["variables", "extensions"]
            .iter()
            .all(|name| may_be_object(object, name));
    let extensions = member(object, "extensions").and_then(Value::as_object);
    let has_document = member(object, "query").is_some()
        || member(object, "documentId").is_some()
        || extensions.is_some_and(|extensions| extensions.contains_key("persistedQuery"));
    has_types && has_document
}

fn value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn values(object: &Map<String, Value>, name: &str) -> Value {
    member(object, name)
        .cloned()
        .unwrap_or_else(|| Map::new().into())
}
