//! What the server reports about its requests, besides metrics.

use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::value::time;

/// What the server reports about its requests, besides metrics.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Observability")]
pub struct ObserveSettings {
    /// Log a line for each request, and for each operation on a WebSocket
    #[arg(long, env = "LOG_REQUESTS", default_value_t = false, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub log_requests: bool,

    /// Log operations that take this long or longer, with their slowest statement; 0s for none
    #[arg(long, env = "LOG_SLOW_OPERATIONS", default_value = "1s", value_parser = time, value_name = "TIME")]
    pub log_slow_operations: Duration,

    /// Send the header Server-Timing, with the durations of the parts of a request, to all callers, not only to those whose token has the scope server:timing
    #[arg(long, env = "SERVER_TIMING", default_value_t = false, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub server_timing: bool,

    /// Send traces of requests to this OpenTelemetry collector, by OTLP over HTTP, such as http://127.0.0.1:4318
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// Headers for the collector, such as an API key: NAME=VALUE,NAME=VALUE
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = pair,
        value_name = "HEADERS"
    )]
    pub otel_exporter_otlp_headers: Vec<(String, String)>,

    /// The name of the service in traces
    #[arg(
        long,
        env = "OTEL_SERVICE_NAME",
        default_value = "broadsheet",
        value_name = "NAME"
    )]
    pub otel_service_name: String,

    /// Which requests are traced: always_on, always_off or traceidratio, each also with the prefix parentbased_
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER",
        default_value = "parentbased_always_on",
        value_name = "SAMPLER"
    )]
    pub otel_traces_sampler: String,

    /// The fraction of requests that traceidratio traces, from 0 to 1
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER_ARG",
        default_value = "1",
        value_name = "RATIO"
    )]
    pub otel_traces_sampler_arg: f64,
}

/// NAME=VALUE, the format of headers in OpenTelemetry's variables.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
