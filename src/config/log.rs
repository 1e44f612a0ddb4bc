//! What is logged.

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// Log what Broadsheet does in detail: for development
    #[arg(long, env = "DEBUG", default_value_t = false, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", global = true)]
    pub debug: bool,

    /// What to log, such as info, or warn,broadsheet=debug [default: info, with --debug broadsheet=debug,info]
    #[arg(long, env = "LOG", value_name = "FILTER", global = true)]
    pub log: Option<String>,

    /// The format of log lines
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT", global = true)]
    pub log_format: LogFormat,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object per line.
    Json,
}
