use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Full};

use super::*;

/// What the subscriber that `build` makes of a writer writes while `log` runs.
fn written<S>(
    build: impl FnOnce(SubscriberBuilder<DefaultFields, Format<Full, ()>, LevelFilter, Buffer>) -> S,
    log: impl FnOnce(),
) -> String
where
    S: tracing::Subscriber + Send + Sync,
{
    let buffer = Buffer::default();
    let builder = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(buffer.clone());
    tracing::subscriber::with_default(build(builder), log);
    let written = buffer.0.lock().unwrap();
    String::from_utf8(written.clone()).unwrap()
}

/// The same as text, without the times.
fn written_as_text(log: impl FnOnce()) -> String {
    let written = written(
        |log| log.event_format(TextLine).fmt_fields(TextFields).finish(),
        log,
    );
    let line = |line: &str| {
        let (time, rest) = line.split_at_checked(27)?;
        (time.starts_with("20") && time.ends_with('Z')).then(|| rest[1..].to_owned())
    };
    let is_first = |text: &str| line(text).is_some();
    let lines = written
        .split_inclusive('\n')
        .map(|text| match is_first(text) {
            true => line(text).unwrap(),
            false => text.to_owned(),
        });
    lines.collect()
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> tracing_subscriber::fmt::MakeWriter<'w> for Buffer {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn lines() {
    let span = tracing::info_span!(
        "request",
        id = "7",
        method = %"POST",
        path = "/a \"b\"\\é\u{1b}",
        caller = tracing::field::Empty,
    );
    let in_request = span.enter();
    tracing::info!(
        text = "plain",
        none = None::<u64>,
        some = Some("more"),
        r#type = 1_u16,
        long = 1_u128 << 40,
        minus = -1,
        float = 0.25,
        flag = true,
        debug = ?["a"],
        "answered {}",
        "é\n"
    );
    span.record("caller", "anonymous");
    tracing::warn!(target: "broadsheet::slow", error = %std::fmt::Error, "slow");
    let inner = tracing::debug_span!("operation");
    let in_operation = inner.enter();
    tracing::error!(
        most = u64::MAX,
        least = i64::MIN,
        whole = 43.0,
        flag = false
    );
    tracing::debug!(
        large = 1e12,
        small = 0.001,
        none = f64::NAN,
        never = f64::NEG_INFINITY,
        "odd"
    );
    drop(in_operation);
    drop(in_request);
    tracing::trace!(zero = 0.0, milliseconds = 12_345.678, "without a span");
}

#[test]
fn lines_are_the_same_as_those_of_the_library() {
    let ours = written_as_text(lines);
    let theirs = written(SubscriberBuilder::finish, lines);
    assert_eq!(ours, theirs);
}

#[test]
fn control_characters_are_escaped_in_every_field() {
    let log = || tracing::info!(shown = %"a\u{1b}[31m\u{9b}b", "c\u{1b}\td\r");
    let ours = written_as_text(log);
    let expected = " INFO broadsheet_log::tests: c\\u{1b}\td\\r shown=a\\u{1b}[31m\\u{9b}b\n";
    assert_eq!(ours, expected);
}

#[test]
fn a_caller_that_is_recorded_for_each_operation_is_shown_once() {
    let log = || {
        let span = tracing::info_span!("request", id = "7", caller = tracing::field::Empty);
        let _entered = span.enter();
        for _ in 0..3 {
            span.record("caller", "anonymous");
        }
        tracing::info!("answered");
    };
    let text = written_as_text(log);
    assert_eq!(text.matches("anonymous").count(), 1, "{text}");
    let json = written(
        |log| log.event_format(JsonLine).fmt_fields(JsonFields).finish(),
        log,
    );
    assert_eq!(json.matches("anonymous").count(), 1, "{json}");
}

#[test]
fn a_line_of_json_has_numbers_and_the_span_of_its_request() {
    let written = written(
        |log| log.event_format(JsonLine).fmt_fields(JsonFields).finish(),
        lines,
    );
    let mut lines = written.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        line
    });
    let mut span =
        json!({ "id": "7", "method": "POST", "path": "/a \"b\"\\é\u{1b}", "name": "request" });
    let expected = json!({
        "level": "INFO",
        "message": "answered é\n",
        "text": "plain",
        "some": "more",
        "type": 1,
        "long": 1_u64 << 40,
        "minus": -1,
        "float": 0.25,
        "flag": true,
        "debug": "[\"a\"]",
        "target": "broadsheet_log::tests",
        "span": span,
    });
    assert_eq!(lines.next(), Some(expected));
    span["caller"] = "anonymous".into();
    let error = std::fmt::Error.to_string();
    let expected = json!({
        "level": "WARN",
        "message": "slow",
        "error": error,
        "target": "broadsheet::slow",
        "span": span,
    });
    assert_eq!(lines.next(), Some(expected));
    let expected = json!({
        "level": "ERROR",
        "most": u64::MAX,
        "least": i64::MIN,
        "whole": 43.0,
        "flag": false,
        "target": "broadsheet_log::tests",
        "span": { "name": "operation" },
    });
    assert_eq!(lines.next(), Some(expected));
    let expected = json!({
        "level": "DEBUG",
        "message": "odd",
        "large": 1e12,
        "small": 0.001,
        "none": null,
        "never": null,
        "target": "broadsheet_log::tests",
        "span": { "name": "operation" },
    });
    assert_eq!(lines.next(), Some(expected));
    let expected = json!({
        "level": "TRACE",
        "message": "without a span",
        "zero": 0.0,
        "milliseconds": 12_345.678,
        "target": "broadsheet_log::tests",
    });
    assert_eq!(lines.next(), Some(expected));
    assert_eq!(lines.next(), None);
}
