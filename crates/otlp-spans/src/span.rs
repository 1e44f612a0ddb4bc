//! A span: one part of a completed request.

use std::borrow::Cow;
use std::time::SystemTime;

use super::context::{Trace, new_span_id};

/// A part of a completed request.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_field_names,
    reason = "the specification has these names"
)]
pub struct Span {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub name: Cow<'static, str>,
    pub kind: Kind,
    pub start: SystemTime,
    pub end: SystemTime,
    /// With the names of OpenTelemetry's semantic conventions.
    pub attributes: Vec<(&'static str, Value)>,
    /// Whether it has failed.
    pub is_error: bool,
}

/// The kind of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Within the program.
    Internal,
    /// A request that the program handles.
    Server,
    /// A request that the program sends, such as a statement.
    Client,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl Span {
    /// The span of the request itself.
    pub fn of_request(trace: &Trace, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            parent: trace.parent,
            name: name.into(),
            kind: Kind::Server,
            start: SystemTime::UNIX_EPOCH,
            end: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            is_error: false,
        }
    }

    /// A child span of this one.
    #[must_use]
    pub fn child(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        start: SystemTime,
        end: SystemTime,
    ) -> Self {
        Self {
            trace_id: self.trace_id,
            span_id: new_span_id(),
            parent: Some(self.span_id),
            name: name.into(),
            kind,
            start,
            end,
            attributes: Vec::new(),
            is_error: false,
        }
    }
}
