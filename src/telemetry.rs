//! The log: lines of text for people, or of JSON for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Sends what is logged to standard error.
///
/// # Errors
/// The filter is not understood.
pub(crate) fn start(settings: &LogSettings) -> Result<(), tracing_subscriber::filter::ParseError> {
    let default = if settings.debug {
        "info,broadsheet=debug"
    } else {
        "info"
    };
    let filter = EnvFilter::try_new(settings.log.as_deref().unwrap_or(default))?;
    let mut log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Else a file or a collector would get the codes of the colours, too.
    if !std::io::stderr().is_terminal() {
        log = log.with_ansi(false);
    }
    // A second start, as by tests of one process, changes nothing.
    let _ = match settings.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    Ok(())
}
