//! The log: lines of text for people, or of JSON for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

use crate::config::{LogFormat, LogSettings};

/// Why the log cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// `tracing` would take it for a target, and log nothing of any other.
    #[error(
        "{0:?} is not a level; expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or \
         TARGET=LEVEL"
    )]
    NoLevel(String),
}

/// Sends what is logged to standard error.
///
/// # Errors
/// The filter is not understood.
pub(crate) fn start(settings: &LogSettings) -> Result<(), FilterError> {
    let default = if settings.debug {
        "info,broadsheet=debug"
    } else {
        "info"
    };
    let filter = filter(settings.log.as_deref().unwrap_or(default))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A file or a collector would get the codes of the colours.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second start, as by tests of one process, changes nothing.
    let _ = match settings.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    Ok(())
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
    fn a_word_that_would_silence_the_log_is_refused() {
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
            let refused = filter(text).err().map(|error| error.to_string());
            assert!(
                refused.is_some_and(|text| text.contains("is not a level")),
                "{text:?}"
            );
        }
        assert!(filter("broadsheet=loud").is_err());
    }
}
