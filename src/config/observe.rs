//! What the server tells of its requests, beside metrics.

use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::value::time;

/// What the server tells of its requests, beside metrics.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Observability")]
pub struct ObserveSettings {
    /// Log a line for each request, and for each operation on a WebSocket
    #[arg(long, env = "LOG_REQUESTS", default_value_t = false, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub log_requests: bool,

    /// Log operations that take this long or longer, with their slowest statement; 0s for none
    #[arg(long, env = "LOG_SLOW_OPERATIONS", default_value = "1s", value_parser = time, value_name = "TIME")]
    pub log_slow_operations: Duration,

    /// Tell all callers by the header Server-Timing how long the parts of their requests took, and not only those whose token has the scope server:timing
    #[arg(long, env = "SERVER_TIMING", default_value_t = false, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub server_timing: bool,
}
