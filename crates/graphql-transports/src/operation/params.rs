//! The parameters of a request, parsed by the same strict rules on every transport.

use serde_json::value::RawValue;

use graphql_guard::json::{self, ObjectText};

/// The parameters of a request: "Request Parameters" of GraphQL over HTTP, the payload of a `subscribe` message of
/// `graphql-transport-ws`.
///
/// `null` is the same as absent everywhere, and so is an empty `operationName`; unknown keys are ignored. There is
/// always a document: `query`, or a name for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphQLParams {
    /// The document; absent only where `document_id` or `extensions.persistedQuery` names one.
    pub query: Option<String>,
    /// `documentId`, the name of a persisted document.
    pub document_id: Option<String>,
    /// The name of the operation to execute.
    pub operation_name: Option<String>,
    /// Values of the operation's variables, not parsed yet because their types are not known.
    pub variables: ObjectText,
    /// Protocol extensions, such as `persistedQuery`.
    pub extensions: ObjectText,
}

/// Why this is not a GraphQL request, as a sentence for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidParams(String);

const NAMES: [&str; 5] = [
    "query",
    "documentId",
    "operationName",
    "variables",
    "extensions",
];

impl GraphQLParams {
    /// Parses a JSON body, with or without a byte order mark.
    pub fn from_json(body: &[u8]) -> Result<Self, InvalidParams> {
        let members = json::members(json::without_byte_order_mark(body), NAMES);
        match members.map_err(|error| not_json(&error))? {
            Some(members) => Self::from_members(members),
            None => Err(InvalidParams(
                "the request is not a JSON object; batches are not supported".to_owned(),
            )),
        }
    }

    /// Parses the query of a URL, in which `variables` and `extensions` are JSON. An empty parameter, other than
    /// `query`, counts as absent; of a repeated one the last counts.
    pub fn from_url_query(query: &str) -> Result<Self, InvalidParams> {
        let mut params = Self::default();
        for (name, text) in url_pairs(query)? {
            match name.as_str() {
                "query" => params.query = Some(text),
                "documentId" => params.document_id = Some(text),
                "operationName" => {
                    params.operation_name = Some(text).filter(|name| !name.is_empty());
                }
                "variables" => params.variables = url_object(&name, &text)?,
                "extensions" => params.extensions = url_object(&name, &text)?,
                _ => {}
            }
        }
        params.checked()
    }

    fn from_members(members: [Option<&RawValue>; 5]) -> Result<Self, InvalidParams> {
        let [query, document_id, operation_name, variables, extensions] = members;
        let params = Self {
            query: string("query", query)?,
            document_id: string("documentId", document_id)?,
            operation_name: string("operationName", operation_name)?
                .filter(|name| !name.is_empty()),
            variables: object("variables", variables)?,
            extensions: object("extensions", extensions)?,
        };
        params.checked()
    }

    /// Whether the request names a document, with or without its text.
    pub fn names_a_document(&self) -> bool {
        self.document_id.is_some() || self.extensions.get("persistedQuery").is_some()
    }

    fn checked(self) -> Result<Self, InvalidParams> {
        if self.query.is_none() && !self.names_a_document() {
            return Err(InvalidParams("`query` is missing".to_owned()));
        }
        Ok(self)
    }
}

fn not_json(error: &serde_json::Error) -> InvalidParams {
    InvalidParams(format!("the request is not valid JSON: {error}"))
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

fn url_object(name: &str, text: &str) -> Result<ObjectText, InvalidParams> {
    if text.is_empty() {
        return Ok(ObjectText::default());
    }
    let value = serde_json::from_slice(json::without_byte_order_mark(text.as_bytes()))
        .map_err(|error| InvalidParams(format!("`{name}` is not valid JSON: {error}")))?;
    object(name, Some(value))
}

fn string(name: &str, value: Option<&RawValue>) -> Result<Option<String>, InvalidParams> {
    let Some(value) = value.filter(|value| !json::is_null(value)) else {
        return Ok(None);
    };
    match json::string(value).map_err(|error| not_json(&error))? {
        Some(text) => Ok(Some(text)),
        None => Err(InvalidParams(format!("`{name}` must be a string"))),
    }
}

fn object(name: &str, value: Option<&RawValue>) -> Result<ObjectText, InvalidParams> {
    let Some(value) = value.filter(|value| !json::is_null(value)) else {
        return Ok(ObjectText::default());
    };
    ObjectText::new(value).ok_or_else(|| InvalidParams(format!("`{name}` must be an object")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(value: &Value) -> ObjectText {
        ObjectText::from(value.as_object().unwrap())
    }

    fn read(value: &Value) -> Result<GraphQLParams, String> {
        GraphQLParams::from_json(value.to_string().as_bytes()).map_err(|error| error.to_string())
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
            variables: object(&json!({ "x": [1] })),
            extensions: object(&json!({ "y": {} })),
        };
        assert_eq!(read(&value), Ok(expected));
    }

    #[test]
    fn null_and_an_empty_operation_name_are_the_same_as_absent() {
        let value = json!({
            "query": "{ a }", "operationName": "", "documentId": null,
            "variables": null, "extensions": null,
        });
        assert_eq!(read(&value), read(&json!({ "query": "{ a }" })));
    }

    #[test]
    fn parameters_of_the_wrong_type_are_rejected() {
        for wrong in [json!("text"), json!([]), json!(7), json!(true)] {
            for key in ["variables", "extensions"] {
                let value = json!({ "query": "{ a }", key: wrong });
                assert_eq!(read(&value), Err(format!("`{key}` must be an object")));
            }
        }
        for wrong in [json!({}), json!([]), json!(7), json!(true)] {
            for key in ["query", "operationName", "documentId"] {
                let mut value = json!({ "query": "{ a }" });
                value[key] = wrong.clone();
                assert_eq!(read(&value), Err(format!("`{key}` must be a string")));
            }
            let error = read(&wrong).unwrap_err();
            assert!(
                error.contains("query") || error.contains("object"),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn a_request_without_a_document_is_rejected_unless_it_names_one() {
        let missing = Err("`query` is missing".to_owned());
        assert_eq!(read(&json!({ "notquery": "{ a }" })), missing);
        assert_eq!(read(&json!({ "query": null })), missing);
        assert!(read(&json!({ "documentId": "7" })).is_ok());
        assert!(read(&json!({ "extensions": { "persistedQuery": {} } })).is_ok());
    }

    #[test]
    fn the_last_of_duplicate_parameters_counts() {
        let body = r#" {"query":7,"query":"{ a }","query":"{ \u0062 }","variables":[],"variables":{"x":1}} "#;
        let expected = json!({ "query": "{ b }", "variables": { "x": 1 } });
        assert_eq!(
            GraphQLParams::from_json(body.as_bytes()).unwrap(),
            read(&expected).unwrap()
        );
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        let body = "\u{FEFF}{\"query\":\"{ a }\"}";
        let expected = read(&json!({ "query": "{ a }" })).unwrap();
        assert_eq!(GraphQLParams::from_json(body.as_bytes()).unwrap(), expected);
        let url = "query=a&variables=%EF%BB%BF%7B%22x%22%3A1%7D";
        let expected = read(&json!({ "query": "a", "variables": { "x": 1 } })).unwrap();
        assert_eq!(GraphQLParams::from_url_query(url).unwrap(), expected);
    }

    #[test]
    fn invalid_escapes_are_rejected() {
        let error = GraphQLParams::from_json(br#"{"query":"\ud800"}"#).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the request is not valid JSON: "),
            "{error}"
        );
    }

    #[test]
    fn invalid_json_is_rejected_with_its_position() {
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
        assert_eq!(read_url(query), read(&expected));
        let expected = "`variables` must be an object".to_owned();
        assert_eq!(read_url("query=a&variables=%5B%5D"), Err(expected));
        assert_eq!(read_url(""), Err("`query` is missing".to_owned()));
        let error = read_url("query=a&variables=%7B").unwrap_err();
        assert!(
            error.starts_with("`variables` is not valid JSON"),
            "{error}"
        );
    }
}
