//! The entries of `errors` in a response, typed until they are sent.

use std::sync::Arc;

use graphql_guard::{Exceeded, RequestError};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::ErrorCode;

/// The message that a client gets for a bug of the server, besides the id of its request.
const INTERNAL: &str = "something went wrong on our side; tell us the request id";

/// One entry of the list `errors` (GraphQL specification, section 7.1.2). Serialized, its keys are in the order
/// `message`, `locations`, `path`, `extensions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseError {
    /// A sentence for the person who made the request.
    pub message: String,
    /// The positions in the document.
    pub locations: Vec<Location>,
    /// The path of the field with the error in the response.
    pub path: Vec<PathSegment>,
    /// What kind of error it is.
    pub code: ErrorCode,
    /// The members of `extensions` besides the code.
    pub detail: Detail,
}

/// The list `errors` of a response, which equal requests may share.
pub type ResponseErrors = Arc<[ResponseError]>;

/// A position in the document. Both numbers start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The column within the line.
    pub column: usize,
}

/// A segment of the path to a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PathSegment {
    /// A response key.
    Field(String),
    /// An index in a list.
    Index(usize),
}

/// The members of an error's extensions besides the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// The dotted path of the invalid value, such as `input.title`.
    Field(String),
    /// The exceeded limit of a document or a response.
    Limit(Exceeded),
    /// A count that exceeds its limit.
    Count {
        /// The limit.
        limit: usize,
        /// The count.
        value: usize,
    },
    /// The id of the request, with which the log has the cause.
    RequestId(String),
    /// A member that the application defines.
    Other(&'static str, Value),
}

impl ResponseError {
    /// An error that belongs to no field.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            locations: Vec::new(),
            path: Vec::new(),
            code,
            detail: Detail::None,
        }
    }

    /// A bug of the server. Its cause is in the log, with the id of the request.
    pub fn internal(request_id: &str) -> Self {
        Self::new(ErrorCode::INTERNAL, INTERNAL).with(Detail::RequestId(request_id.to_owned()))
    }

    /// The member `extensions`.
    pub fn extensions(&self) -> Extensions<'_> {
        Extensions {
            code: self.code,
            detail: &self.detail,
        }
    }

    /// The same error with this detail.
    #[must_use]
    pub fn with(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }
}

impl From<RequestError> for ResponseError {
    fn from(error: RequestError) -> Self {
        let detail = match (error.field, error.exceeded) {
            (Some(field), _) => Detail::Field(field),
            (None, Some(exceeded)) => Detail::Limit(exceeded),
            (None, None) => Detail::None,
        };
        let locations = error.locations.into_iter();
        Self {
            locations: locations
                .map(|location| Location {
                    line: location.line,
                    column: location.column,
                })
                .collect(),
            ..Self::new(error.code.into(), error.message).with(detail)
        }
    }
}

impl Serialize for ResponseError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("message", &self.message)?;
        if !self.locations.is_empty() {
            map.serialize_entry("locations", &self.locations)?;
        }
        if !self.path.is_empty() {
            map.serialize_entry("path", &self.path)?;
        }
        map.serialize_entry("extensions", &self.extensions())?;
        map.end()
    }
}

/// The extensions of an error. Serialized, the code comes first.
#[derive(Debug, Clone, Copy)]
pub struct Extensions<'e> {
    code: ErrorCode,
    detail: &'e Detail,
}

impl Serialize for Extensions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Limit {
            name: &'static str,
            max: u64,
            value: u64,
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &self.code)?;
        match self.detail {
            Detail::None => {}
            Detail::Field(field) => map.serialize_entry("field", field)?,
            &Detail::Limit(Exceeded { name, limit, value }) => {
                let max = limit;
                map.serialize_entry("limit", &Limit { name, max, value })?;
            }
            Detail::Count { limit, value } => {
                map.serialize_entry("limit", limit)?;
                map.serialize_entry("value", value)?;
            }
            Detail::RequestId(id) => map.serialize_entry("requestId", id)?,
            Detail::Other(name, value) => map.serialize_entry(name, value)?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_an_error_have_one_order() {
        let error = ResponseError {
            locations: vec![Location { line: 1, column: 2 }],
            path: vec![PathSegment::Field("a".to_owned()), PathSegment::Index(3)],
            ..ResponseError::new(ErrorCode::TOO_COMPLEX, "no")
        };
        let exceeded = Exceeded {
            name: "depth",
            limit: 16,
            value: 17,
        };
        let json = serde_json::to_string(&error.with(Detail::Limit(exceeded))).unwrap();
        let expected = r#"{"message":"no","locations":[{"line":1,"column":2}],"path":["a",3],"extensions":{"code":"TOO_COMPLEX","limit":{"name":"depth","max":16,"value":17}}}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn absent_parts_of_an_error_are_omitted() {
        let json = serde_json::to_string(&ResponseError::internal("7")).unwrap();
        let expected = r#"{"message":"something went wrong on our side; tell us the request id","extensions":{"code":"INTERNAL","requestId":"7"}}"#;
        assert_eq!(json, expected);
    }
}
