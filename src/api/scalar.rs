//! The `DateTime` scalar.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

use super::error::FieldError;
use crate::clock::Timestamp;
use crate::error::Violation;

/// An instant, written as RFC 3339 in UTC with up to microsecond precision, such
/// as `2026-01-31T09:30:00.123456Z`.
///
/// Given by a client it is kept as text until [`at`](Self::at) knows the path of the argument, which the error for a
/// text that is no instant must name.
#[derive(Debug, Clone)]
pub(crate) enum DateTime {
    Given(String),
    Known(Timestamp),
}

impl DateTime {
    /// Parses the timestamp in the argument at `field`.
    pub(crate) fn at(self, field: impl Into<String>) -> Result<Timestamp, FieldError> {
        match self {
            Self::Known(timestamp) => Ok(timestamp),
            Self::Given(text) => text
                .parse()
                .map_err(|error| FieldError::at(field, Violation::from(error))),
        }
    }
}

/// An instant, written as RFC 3339 in UTC with up to microsecond precision, such
/// as `2026-01-31T09:30:00.123456Z`.
#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self::Given(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Given(text) => Value::from(text.as_str()),
            Self::Known(timestamp) => Value::from(timestamp.to_string()),
        }
    }
}
