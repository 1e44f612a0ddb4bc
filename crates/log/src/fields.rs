//! What the formats of the log have in common.
//!
//! They write numbers and times without the formatting machinery: the line of a request has a dozen of them.

use std::fmt;

use tracing::field::Field;
use tracing::span::Record;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

use broadsheet_articles::clock::Clock;

/// Capacity for the fields of a span, and of most lines, in bytes.
pub(super) const CAPACITY: usize = 128;

/// The name of a field in a line; `None` where it is not written. Fields of the crate `log` are part of the metadata.
pub(super) fn name(field: &Field) -> Option<&'static str> {
    let name = field.name();
    match name.starts_with("log.") {
        true => None,
        false => Some(name.strip_prefix("r#").unwrap_or(name)),
    }
}

/// Whether a text can stand between quotes unchanged.
pub(super) fn is_plain(text: &str) -> bool {
    let is_plain = |byte| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    // Without an early end, the compiler checks many bytes at a time.
    text.bytes().fold(true, |all, byte| all & is_plain(byte))
}

/// Writes a text between quotes.
pub(super) fn push_quoted(out: &mut String, plain: &str) {
    out.push('"');
    out.push_str(plain);
    out.push('"');
}

/// Writes the current time, in UTC with microseconds.
pub(super) fn push_now(out: &mut String) {
    let now = Clock::system().now().to_rfc3339();
    out.extend(now.map(char::from));
}

/// Writes an integer.
pub(super) fn push_integer(out: &mut String, integer: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(integer));
}

/// Writes the shortest decimal number that is this one; `NaN`, `inf` and `-inf` where there is none.
pub(super) fn push_float(out: &mut String, float: f64) {
    out.push_str(zmij::Buffer::new().format(float));
}

/// Adds fields to those of a span, unless the span has them already: each anonymous operation on a WebSocket records its
/// caller.
pub(super) fn add<F>(
    format: &F,
    to: &mut FormattedFields<F>,
    fields: &Record<'_>,
    separator: char,
) -> fmt::Result
where
    F: for<'w> FormatFields<'w>,
{
    let all = &mut to.fields;
    let present = all.len();
    if present > 0 {
        all.push(separator);
    }
    let begins_at = all.len();
    format.format_fields(Writer::new(&mut *all), fields)?;
    let (before, added) = all.split_at(begins_at);
    if before.contains(added) {
        all.truncate(present);
    }
    Ok(())
}
