//! The fields of lines and spans as text.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

use super::fields::{CAPACITY, add, is_plain, name, push_quoted};

/// Writes `key=value`, as `tracing_subscriber`'s own fields do. Those style each part, and escape character by character,
/// which takes longer than a quick request; so they write only colored text.
#[derive(Debug, Default)]
pub(super) struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        if writer.has_ansi_escapes() {
            return DefaultFields::new().format_fields(writer, fields);
        }
        let mut text = Text(String::with_capacity(CAPACITY));
        fields.record(&mut text);
        writer.write_str(&text.0)
    }

    fn add_fields(&self, to: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        add(self, to, fields, ' ')
    }
}

struct Text(String);

impl Text {
    /// Writes a field; writing to a string cannot fail.
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut String) -> fmt::Result) {
        let Some(name) = name(field) else {
            return;
        };
        let Self(out) = self;
        if !out.is_empty() {
            out.push(' ');
        }
        if name != "message" {
            out.push_str(name);
            out.push('=');
        }
        let _ = value(out);
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
