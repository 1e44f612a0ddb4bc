//! The settings of the limits on callers.

use std::net::IpAddr;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use ipnet::IpNet;

/// How much callers may take.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Limits on callers")]
pub struct CallerLimitSettings {
    /// Connections at a time; then no more are accepted; 0 for no limit
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000, value_parser = number(), value_name = "NUMBER")]
    pub max_connections: usize,

    /// Connections of one address at a time, but for trusted proxies; then its next ones are closed; 0 for no limit
    #[arg(long, env = "MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 1_000, value_parser = number(), value_name = "NUMBER")]
    pub max_connections_per_address: usize,

    /// WebSockets and event streams at a time; then 503; 0 for no limit
    #[arg(long, env = "MAX_STREAMS", default_value_t = 5_000, value_parser = number(), value_name = "NUMBER")]
    pub max_streams: usize,

    /// WebSockets and event streams of one caller at a time; then 429; 0 for no limit
    #[arg(long, env = "MAX_STREAMS_PER_CALLER", default_value_t = 100, value_parser = number(), value_name = "NUMBER")]
    pub max_streams_per_caller: usize,

    /// Bytes of requests that are being read or executed at a time, and of larger responses that are being sent; then 503; 0 for no limit
    #[arg(long, env = "MAX_CONCURRENT_BODY_BYTES", default_value_t = 256 * 1024 * 1024, value_parser = number(), value_name = "BYTES")]
    pub max_concurrent_body_bytes: usize,

    /// What a caller may spend in a minute, as the complexity of its operations counts it, and 1 for each; then 429; 0 for no limit
    #[arg(long, env = "COST_PER_MINUTE", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000_000), value_name = "COST")]
    pub cost_per_minute: u32,

    /// Proxies whose X-Forwarded-For is believed: addresses or networks such as 10.0.0.0/8, separated by commas
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        value_delimiter = ',',
        value_parser = network,
        value_name = "NETWORKS"
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// What happens beyond a limit on callers
    #[arg(
        long,
        env = "LIMITS_MODE",
        value_enum,
        default_value_t,
        value_name = "MODE"
    )]
    pub limits_mode: LimitsMode,
}

/// What happens beyond a limit on callers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LimitsMode {
    /// It is rejected
    #[default]
    Enforce,
    /// It is counted in metrics, and not rejected
    Measure,
}

/// A larger value is equivalent to no limit.
const LARGEST: u64 = 1 << 40;

fn number() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=LARGEST)
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || {
        text.parse()
            .ok()
            .map(|address: IpAddr| IpNet::from(address.to_canonical()))
    };
    text.parse().ok().or_else(address).ok_or_else(|| {
        "expected an address or a network, such as 10.0.0.0/8 or 2001:db8::/32".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            (" 127.0.0.1 ", "127.0.0.1/32"),
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), expected, "{text:?}");
        }
        for text in ["", "10.0.0.0/33", "proxy.example", "*", "10.0.0"] {
            assert!(network(text).is_err(), "{text:?}");
        }
    }
}
