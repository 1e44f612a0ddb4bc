//! What every transport hands to the engine, and what it gets back.
//!
//! HTTP, WebSocket and SSE read the same parameters by the same strict rules and run against one
//! small trait, so none of them knows the engine. JSON stays bytes: an answer is serialised once.

use std::future::Future;
use std::time::Instant;

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use super::events::{Event, Events};
use super::request_id::RequestId;

/// The parameters of a request: "Request Parameters" of GraphQL over HTTP, the payload of a
/// `subscribe` message of `graphql-transport-ws`.
///
/// `null` is the same as absent everywhere, an empty `operationName` too, and keys that are not
/// listed are ignored. There is always a document: `query`, or what stands for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphQLParams {
    /// The document; absent only where `document_id` or `extensions.persistedQuery` names one.
    pub query: Option<String>,
    /// `documentId`, the name of a persisted document.
    pub document_id: Option<String>,
    /// Which operation of the document to run.
    pub operation_name: Option<String>,
    /// Values of the operation's variables.
    pub variables: Map<String, Value>,
    /// What clients and servers agree on beyond the specification, such as `persistedQuery`.
    pub extensions: Map<String, Value>,
}

/// Why something is not a GraphQL request: one sentence for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidParams(String);

impl GraphQLParams {
    /// Reads a JSON body.
    pub fn from_json(body: &[u8]) -> Result<Self, InvalidParams> {
        if let Some(params) = Self::read(body) {
            return params.checked();
        }
        // Something is wrong, or given twice. The long way finds out what to say.
        let value = serde_json::from_slice(body)
            .map_err(|error| InvalidParams(format!("the request is not valid JSON: {error}")))?;
        Self::from_value(value)
    }

    /// Reads the query of a URL, in which `variables` and `extensions` are JSON. A parameter that
    /// is empty, other than `query`, is as if it were not there; of one given twice the last counts.
    pub fn from_url_query(query: &str) -> Result<Self, InvalidParams> {
        let mut request = Map::new();
        for (name, text) in url_pairs(query)? {
            let value = match name.as_str() {
                "variables" | "extensions" if text.is_empty() => Value::Null,
                "variables" | "extensions" => serde_json::from_str(&text).map_err(|error| {
                    InvalidParams(format!("`{name}` is not valid JSON: {error}"))
                })?,
                _ => Value::String(text),
            };
            request.insert(name, value);
        }
        Self::from_value(Value::Object(request))
    }

    /// Reads JSON that has been parsed already.
    pub fn from_value(value: Value) -> Result<Self, InvalidParams> {
        let Value::Object(mut request) = value else {
            return Err(InvalidParams(
                "the request is not a JSON object; batches are not served".to_owned(),
            ));
        };
        let params = Self {
            query: string(&mut request, "query")?,
            document_id: string(&mut request, "documentId")?,
            operation_name: string(&mut request, "operationName")?.filter(|name| !name.is_empty()),
            variables: object(&mut request, "variables")?,
            extensions: object(&mut request, "extensions")?,
        };
        params.checked()
    }

    /// Reads what most clients send most of the time, in one pass.
    fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            query: Option<String>,
            document_id: Option<String>,
            operation_name: Option<String>,
            variables: Option<Map<String, Value>>,
            extensions: Option<Map<String, Value>>,
        }
        // The fields of a structure may stand in a list too.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        let body: Body = serde_json::from_slice(body).ok()?;
        Some(Self {
            query: body.query,
            document_id: body.document_id,
            operation_name: body.operation_name.filter(|name| !name.is_empty()),
            variables: body.variables.unwrap_or_default(),
            extensions: body.extensions.unwrap_or_default(),
        })
    }

    /// Whether a name stands for the document, or beside it.
    pub fn names_a_document(&self) -> bool {
        self.document_id.is_some() || self.extensions.contains_key("persistedQuery")
    }

    fn checked(self) -> Result<Self, InvalidParams> {
        if self.query.is_none() && !self.names_a_document() {
            return Err(InvalidParams("`query` is missing".to_owned()));
        }
        Ok(self)
    }
}

fn url_pairs(query: &str) -> Result<Vec<(String, String)>, InvalidParams> {
    let invalid = |error: String| InvalidParams(format!("the URL's query cannot be read: {error}"));
    let uri = format!("/?{query}")
        .parse()
        .map_err(|error: axum::http::uri::InvalidUri| invalid(error.to_string()))?;
    let pairs =
        axum::extract::Query::try_from_uri(&uri).map_err(|error| invalid(error.body_text()))?;
    Ok(pairs.0)
}

fn string(request: &mut Map<String, Value>, key: &str) -> Result<Option<String>, InvalidParams> {
    match request.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(InvalidParams(format!("`{key}` must be a string"))),
    }
}

fn object(
    request: &mut Map<String, Value>,
    key: &str,
) -> Result<Map<String, Value>, InvalidParams> {
    match request.remove(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(InvalidParams(format!("`{key}` must be an object"))),
    }
}

/// Who asks, as far as the transport can tell.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The headers of the request, or of the WebSocket's handshake.
    pub headers: HeaderMap,
    /// The payload of `connection_init`, where the transport has one.
    pub connection_init: Option<Map<String, Value>>,
    /// The request's id in the logs.
    pub request_id: RequestId,
    /// Where a stream that broke off is to continue: `Last-Event-ID`, the cursor of the last event
    /// that arrived. It stands above what the operation's own arguments say.
    pub last_event_id: Option<String>,
}

/// How the operation came, which decides what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Queries only.
    HttpGet,
    /// Queries and mutations.
    HttpPost,
    /// Everything.
    WebSocket,
    /// Queries and subscriptions.
    SseGet,
    /// Everything.
    SsePost,
}

impl Transport {
    /// Whether a mutation may come this way. By GET it may not: refuse it with 405 and `Allow: POST`.
    pub fn allows_mutations(self) -> bool {
        !matches!(self, Self::HttpGet | Self::SseGet)
    }

    /// Whether there is a way for more than one result.
    pub fn allows_subscriptions(self) -> bool {
        matches!(self, Self::WebSocket | Self::SseGet | Self::SsePost)
    }
}

/// What became of an operation.
pub enum Outcome {
    /// Execution did not begin.
    Refused(Refusal),
    /// A subscription did not begin because the database is not available. Its client must not take it for complete: it
    /// is to come back.
    NotBegun(Refusal),
    /// A whole answer, `{"data":…}` with or without `errors`.
    Single(Bytes),
    /// A subscription's events.
    Stream(Events),
}

/// Why execution did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What HTTP would answer with.
    pub status: StatusCode,
    /// The JSON list of errors, at least one: `[{"message":…}]`.
    pub errors: Bytes,
    /// Further headers for that status, such as `Allow` and `Retry-After`.
    pub headers: HeaderMap,
}

impl Refusal {
    /// One error with a message and `extensions.code`.
    pub fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self::with_errors(
            status,
            &json!([{ "message": message, "extensions": { "code": code } }]),
        )
    }

    /// `errors` is the list of errors.
    pub fn with_errors(status: StatusCode, errors: &Value) -> Self {
        Self {
            status,
            errors: Bytes::from(errors.to_string()),
            headers: HeaderMap::new(),
        }
    }

    /// A whole answer, `{"errors":[…]}`, with no `data` since nothing was executed.
    pub fn body(&self) -> Bytes {
        [b"{\"errors\":", &*self.errors, b"}"].concat().into()
    }
}

/// A socket that was let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// When what admitted it expires; the socket is closed then, and may come back with a new token.
    pub until: Option<Instant>,
}

/// The engine, as the transports see it. Cheap to clone.
pub trait Execute: Clone + Send + Sync + 'static {
    /// Runs one operation as far as its outcome is known. Dropping the future gives the operation
    /// up, except for a mutation that has begun.
    fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller,
        transport: Transport,
    ) -> impl Future<Output = Outcome> + Send;

    /// The same for the body of a request that nobody has read yet: an engine may know it already.
    ///
    /// # Errors
    /// It is not a GraphQL request.
    fn execute_json(
        &self,
        body: &[u8],
        caller: &Caller,
        transport: Transport,
    ) -> impl Future<Output = Result<Outcome, InvalidParams>> + Send {
        async move {
            let params = GraphQLParams::from_json(body)?;
            Ok(self.execute(params, caller, transport).await)
        }
    }

    /// Whether a socket may speak at all, once its `connection_init` is here. The error is the
    /// reason the client is closed with, in one short sentence.
    fn admit(&self, caller: &Caller) -> impl Future<Output = Result<Admission, String>> + Send {
        let _ = caller;
        std::future::ready(Ok(Admission::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<GraphQLParams, String> {
        GraphQLParams::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn every_parameter_is_read_and_unknown_keys_are_ignored() {
        let value = json!({
            "query": "query A { a }", "operationName": "A", "documentId": "7",
            "variables": { "x": [1] }, "extensions": { "y": {} }, "id": 12,
        });
        let expected = GraphQLParams {
            query: Some("query A { a }".to_owned()),
            document_id: Some("7".to_owned()),
            operation_name: Some("A".to_owned()),
            variables: Map::from_iter([("x".to_owned(), json!([1]))]),
            extensions: Map::from_iter([("y".to_owned(), json!({}))]),
        };
        assert_eq!(read(value), Ok(expected));
    }

    #[test]
    fn null_and_an_empty_operation_name_are_the_same_as_absent() {
        let value = json!({
            "query": "{ a }", "operationName": "", "documentId": null,
            "variables": null, "extensions": null,
        });
        assert_eq!(read(value), read(json!({ "query": "{ a }" })));
    }

    #[test]
    fn parameters_of_the_wrong_type_are_refused() {
        for wrong in [json!("text"), json!([]), json!(7), json!(true)] {
            for key in ["variables", "extensions"] {
                let value = json!({ "query": "{ a }", key: wrong });
                assert_eq!(read(value), Err(format!("`{key}` must be an object")));
            }
        }
        for wrong in [json!({}), json!([]), json!(7), json!(true)] {
            for key in ["query", "operationName", "documentId"] {
                let mut value = json!({ "query": "{ a }" });
                value[key] = wrong.clone();
                assert_eq!(read(value), Err(format!("`{key}` must be a string")));
            }
            let error = read(wrong.clone()).unwrap_err();
            assert!(
                error.contains("query") || error.contains("object"),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn a_request_without_a_document_is_refused_unless_it_names_one() {
        let missing = Err("`query` is missing".to_owned());
        assert_eq!(read(json!({ "notquery": "{ a }" })), missing);
        assert_eq!(read(json!({ "query": null })), missing);
        assert!(read(json!({ "documentId": "7" })).is_ok());
        assert!(read(json!({ "extensions": { "persistedQuery": {} } })).is_ok());
    }

    #[test]
    fn a_body_is_read_like_the_value_that_it_is() {
        for body in [
            r#" {"query":"{ a }","operationName":null,"variables":{"x":[1]},"other":[{}]}"#,
            r#"{"query":"{ a }","query":"{ \u0062 }","operationName":""}"#,
            r#"{"documentId":"7","extensions":{"y":{}}}"#,
            r#"{"extensions":{"persistedQuery":{}},"variables":null}"#,
            r#"{"variables":{}}"#,
            r#"{"query":7}"#,
            r#"["{ a }", null, null, null, null]"#,
            "7",
        ] {
            let value = serde_json::from_str(body).unwrap();
            let by_value = GraphQLParams::from_value(value);
            assert_eq!(
                GraphQLParams::from_json(body.as_bytes()),
                by_value,
                "{body}"
            );
        }
    }

    #[test]
    fn broken_json_is_refused_with_its_place() {
        let error = GraphQLParams::from_json(b"{\"query\":").unwrap_err();
        let expected =
            "the request is not valid JSON: EOF while parsing a value at line 1 column 9";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn the_query_of_a_url_is_read_by_the_same_rules() {
        let query = "query=%7B%20a%20%7D&variables=%7B%22x%22%3A1%7D&operationName=&extensions=";
        let expected = json!({ "query": "{ a }", "variables": { "x": 1 } });
        let read_url =
            |query| GraphQLParams::from_url_query(query).map_err(|error| error.to_string());
        assert_eq!(read_url(query), read(expected));
        let expected = "`variables` must be an object".to_owned();
        assert_eq!(read_url("query=a&variables=%5B%5D"), Err(expected));
        assert_eq!(read_url(""), Err("`query` is missing".to_owned()));
        let error = read_url("query=a&variables=%7B").unwrap_err();
        assert!(
            error.starts_with("`variables` is not valid JSON"),
            "{error}"
        );
    }

    #[test]
    fn a_refusal_is_an_answer_without_data() {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", "no");
        let expected = r#"{"errors":[{"extensions":{"code":"BAD_REQUEST"},"message":"no"}]}"#;
        assert_eq!(refusal.body(), expected);
    }
}
