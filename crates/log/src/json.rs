//! Lines of the log as JSON: an object with the fields of the line and, as `span`, those of its request.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::fields::{
    CAPACITY, add, is_plain, name, push_float, push_integer, push_now, push_quoted,
};

/// Writes a line. `tracing_subscriber`'s own format parses the JSON of the span for each line.
pub struct JsonLine;

/// `N` formats the fields of spans; it is [`JsonFields`].
impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut line = Members(String::with_capacity(4 * CAPACITY));
        line.0.push_str("{\"timestamp\":\"");
        push_now(&mut line.0);
        write!(line.0, "\",\"level\":\"{}\"", metadata.level())?;
        event.record(&mut line);
        let Members(line) = &mut line;
        line.push_str(",\"target\":");
        push_string(line, metadata.target());
        let parent = event.parent().and_then(|id| context.span(id));
        if let Some(span) = parent.or_else(|| context.lookup_current()) {
            line.push_str(",\"span\":{");
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                line.push_str(fields);
                line.push(',');
            }
            line.push_str("\"name\":");
            push_string(line, span.name());
            line.push('}');
        }
        line.push_str("}\n");
        writer.write_str(line)
    }
}

/// Writes the members of an object, without its braces.
#[derive(Debug, Default)]
pub struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Members(String::with_capacity(CAPACITY));
        fields.record(&mut members);
        writer.write_str(&members.0)
    }

    fn add_fields(&self, to: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        add(self, to, fields, ',')
    }
}

struct Members(String);

impl Members {
    /// Writes a member; writing to a string cannot fail.
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut String) -> fmt::Result) {
        let Some(name) = name(field) else {
            return;
        };
        let Self(out) = self;
        if !out.is_empty() {
            out.push(',');
        }
        push_string(out, name);
        out.push(':');
        let _ = value(out);
    }

    fn integer(&mut self, field: &Field, value: impl itoa::Integer) {
        self.member(field, |out| {
            push_integer(out, value);
            Ok(())
        });
    }
}

impl Visit for Members {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |out| {
            push_string(out, value);
            Ok(())
        });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.integer(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.integer(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.integer(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.integer(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |out| {
            match value.is_finite() {
                true => push_float(out, value),
                false => out.push_str("null"),
            }
            Ok(())
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Writes a JSON string.
fn push_string(out: &mut String, text: &str) {
    match is_plain(text) {
        true => push_quoted(out, text),
        // A string is always valid in JSON.
        false => out.push_str(&serde_json::to_string(text).unwrap_or_default()),
    }
}
