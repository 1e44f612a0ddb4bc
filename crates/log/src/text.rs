//! Lines of the log as text, and the fields of lines and spans in them.
//!
//! They are the same as those of `tracing_subscriber`, which styles each part, and escapes character by character. That
//! takes longer than a quick request, so `tracing_subscriber` writes only colored text.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Level, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::fields::{
    CAPACITY, add, is_plain, name, push_float, push_integer, push_now, push_quoted,
};

/// Writes a line: the time, the level, the spans with their fields, the target, the message and the fields.
pub struct TextLine;

/// `N` formats the fields of spans; it is [`TextFields`].
impl<S, N> FormatEvent<S, N> for TextLine
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
        if writer.has_ansi_escapes() {
            return Format::default().format_event(context, writer, event);
        }
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut line = String::with_capacity(4 * CAPACITY);
        push_now(&mut line);
        line.push_str(match *metadata.level() {
            Level::ERROR => " ERROR ",
            Level::WARN => "  WARN ",
            Level::INFO => "  INFO ",
            Level::DEBUG => " DEBUG ",
            Level::TRACE => " TRACE ",
        });
        if let Some(spans) = context.event_scope() {
            for span in spans.from_root() {
                line.push_str(span.name());
                let extensions = span.extensions();
                let fields = extensions.get::<FormattedFields<N>>();
                if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                    line.push('{');
                    line.push_str(fields);
                    line.push('}');
                }
                line.push(':');
            }
            line.push(' ');
        }
        line.push_str(metadata.target());
        line.push_str(": ");
        let mut line = Text {
            begins_at: line.len(),
            out: line,
        };
        event.record(&mut line);
        line.out.push('\n');
        writer.write_str(&line.out)
    }
}

/// Writes `key=value`.
#[derive(Debug, Default)]
pub struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        if writer.has_ansi_escapes() {
            return DefaultFields::new().format_fields(writer, fields);
        }
        let mut text = Text {
            begins_at: 0,
            out: String::with_capacity(CAPACITY),
        };
        fields.record(&mut text);
        writer.write_str(&text.out)
    }

    fn add_fields(&self, to: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        add(self, to, fields, ' ')
    }
}

struct Text {
    out: String,
    /// Where the first field begins.
    begins_at: usize,
}

impl Text {
    /// Writes a field; writing to a string cannot fail.
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut String) -> fmt::Result) {
        let Some(name) = name(field) else {
            return;
        };
        let out = &mut self.out;
        if out.len() > self.begins_at {
            out.push(' ');
        }
        if name != "message" {
            out.push_str(name);
            out.push('=');
        }
        let _ = value(out);
    }

    fn integer(&mut self, field: &Field, value: impl itoa::Integer) {
        self.field(field, |out| {
            push_integer(out, value);
            Ok(())
        });
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |out| {
            match (is_plain(value), field.name()) {
                (true, "message") => out.push_str(value),
                (true, _) => push_quoted(out, value),
                (false, "message") => write!(Escaping(out), "{value}")?,
                (false, _) => write!(out, "{value:?}")?,
            }
            Ok(())
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.integer(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.integer(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, |out| {
            push_float(out, value);
            Ok(())
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.field(field, |out| write!(Escaping(out), "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |out| write!(Escaping(out), "{value:?}"));
    }
}

/// Escapes control characters, which could change what a terminal shows; line breaks and tabs stay.
struct Escaping<'s>(&'s mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Self(out) = self;
        if is_plain(text) {
            out.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            match character {
                '\n' | '\t' => out.push(character),
                control if control.is_control() => out.extend(control.escape_default()),
                other => out.push(other),
            }
        }
        Ok(())
    }
}
