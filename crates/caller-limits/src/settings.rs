//! The settings of the limits on callers.

use std::net::IpAddr;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use ipnet::IpNet;

/// The limits on what callers use.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Limits on callers")]
pub struct CallerLimitSettings {
    /// Maximum number of connections, beyond which none are accepted; 0 for no limit
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000, value_parser = number(), value_name = "NUMBER")]
    pub max_connections: usize,

    /// Maximum number of connections per address, except trusted proxies; further ones are closed; 0 for no limit
    #[arg(long, env = "MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 1_000, value_parser = number(), value_name = "NUMBER")]
    pub max_connections_per_address: usize,

    /// Maximum number of WebSockets and event streams; further ones get 503; 0 for no limit
    #[arg(long, env = "MAX_STREAMS", default_value_t = 5_000, value_parser = number(), value_name = "NUMBER")]
    pub max_streams: usize,

    /// Maximum number of WebSockets and event streams per caller; further ones get 429; 0 for no limit
    #[arg(long, env = "MAX_STREAMS_PER_CALLER", default_value_t = 100, value_parser = number(), value_name = "NUMBER")]
    pub max_streams_per_caller: usize,

    /// Maximum total bytes of requests being read or executed, and of larger responses being sent; further ones get 503; 0 for no limit
    #[arg(long, env = "MAX_CONCURRENT_BODY_BYTES", default_value_t = 256 * 1024 * 1024, value_parser = number(), value_name = "BYTES")]
    pub max_concurrent_body_bytes: usize,

    /// What a caller may spend per minute: the complexity of its operations, plus 1 for each; beyond that it gets 429; 0 for no limit
    #[arg(long, env = "COST_PER_MINUTE", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000_000), value_name = "COST")]
    pub cost_per_minute: u32,

    /// Proxies whose X-Forwarded-For is trusted: addresses or networks such as 10.0.0.0/8, separated by commas
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        value_delimiter = ',',
        value_parser = network,
        value_name = "NETWORKS"
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// What happens when a caller exceeds a limit
    #[arg(
        long,
        env = "LIMITS_MODE",
        value_enum,
        default_value_t,
        value_name = "MODE"
    )]
    pub limits_mode: LimitsMode,
}

/// What happens when a caller exceeds a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LimitsMode {
    /// The request is rejected
    #[default]
    Enforce,
    /// It is only counted in metrics
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
