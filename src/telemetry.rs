//! The log: lines of text for people, or of JSON for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::SubscriberBuilder;

use broadsheet_log::{JsonFields, JsonLine, TextFields, TextLine, ToStderr};

use crate::config::{LogFormat, LogSettings, environment};

/// Why the log cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// `tracing` would treat it as a target, and log no other targets.
    #[error(
        "{0:?} is not a level; expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or \
         TARGET=LEVEL"
    )]
    NoLevel(String),
}

/// Starts logging to standard error.
///
/// # Errors
/// The filter is invalid.
pub(crate) fn start(settings: &LogSettings) -> Result<(), FilterError> {
    let default = if settings.debug {
        "info,broadsheet=debug"
    } else {
        "info"
    };
    let filter = filter(settings.log.as_deref().unwrap_or(default))?;
    let log = log().with_env_filter(filter);
    // A second start, as in tests in one process, has no effect.
    let _ = match settings.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => {
            log_panics();
            as_json(log).try_init()
        }
    };
    Ok(())
}

/// Logs why the program exits, regardless of the filter.
pub(crate) fn log_exit(error: &dyn std::error::Error, settings: &LogSettings) {
    match settings.log_format {
        LogFormat::Text => {
            let line = format!("broadsheet: {error}\n");
            let _ = broadsheet_log::write_now(line.as_bytes());
        }
        LogFormat::Json => {
            let log = as_json(log()).finish();
            tracing::subscriber::with_default(log, || {
                tracing::error!(target: "broadsheet", "{error}");
            });
        }
    }
}

/// Writes buffered lines, at the end of the program.
pub(crate) fn flush() {
    // An error cannot be reported anywhere.
    let _ = broadsheet_log::write_now(&[]);
}

type Log<Fields, Format> = SubscriberBuilder<Fields, Format, LevelFilter, ToStderr>;

fn log() -> Log<TextFields, TextLine> {
    let is_colored = std::io::stderr().is_terminal() && !environment::forbids_colors();
    tracing_subscriber::fmt()
        // Files and collectors must not get color codes.
        .with_ansi(is_colored)
        .with_writer(ToStderr)
        .event_format(TextLine)
        .fmt_fields(TextFields)
}

/// The same log as JSON.
fn as_json<Filter>(
    log: SubscriberBuilder<TextFields, TextLine, Filter, ToStderr>,
) -> SubscriberBuilder<JsonFields, JsonLine, Filter, ToStderr> {
    log.event_format(JsonLine).fmt_fields(JsonFields)
}

/// Logs panics in the same format: the default hook would write plain text between JSON lines.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let message = panic
            .payload_as_str()
            .unwrap_or("a panic without a message");
        tracing::error!(location, "panicked: {message}");
    }));
}

fn filter(text: &str) -> Result<EnvFilter, FilterError> {
    let directives: Vec<_> = text.split(',').map(str::trim).collect();
    let is_silencing = |word: &&&str| {
        word.chars().all(|c| c.is_ascii_alphanumeric())
            && !["", "broadsheet"].contains(*word)
            && word.parse::<LevelFilter>().is_err()
    };
    match directives.iter().find(is_silencing) {
        Some(word) => Err(FilterError::NoLevel((*word).to_owned())),
        None => Ok(EnvFilter::try_new(directives.join(","))?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_level_is_rejected() {
        for text in [
            "info",
            "WARN",
            "off",
            "warn, broadsheet=debug",
            "broadsheet",
            "info,hyper::proto",
            "broadsheet[request]=trace",
        ] {
            assert!(filter(text).is_ok(), "{text:?}");
        }
        for text in ["warning", "info,verbose", "all", "yes"] {
            let rejected = filter(text).err().map(|error| error.to_string());
            assert!(
                rejected.is_some_and(|text| text.contains("is not a level")),
                "{text:?}"
            );
        }
        assert!(filter("broadsheet=loud").is_err());
    }
}
