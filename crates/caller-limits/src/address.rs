//! The address that a request comes from, including requests through proxies.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The maximum number of proxies in a row. Real deployments have far fewer, and a client may send a header of 64 KiB.
const MAX_HOPS: usize = 16;

/// What one household or company usually has: one IPv4 address, or an IPv6 network of 2⁶⁴ addresses (/64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        const LAST_64_BITS: u128 = u64::MAX as u128;
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !LAST_64_BITS).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// The proxies whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// The proxies in these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// Whether this address is a trusted proxy.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the client. `X-Forwarded-For` is read from its end, which the nearest proxy wrote, skipping
    /// trusted proxies. Everything before the first address that is not trusted may be forged by the client.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() || !self.trust(client) {
            return client;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let addresses = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for text in addresses.take(MAX_HOPS) {
            let Some(address) = str::from_utf8(text).ok().and_then(read) else {
                return client;
            };
            client = address;
            if !self.trust(client) {
                break;
            }
        }
        client
    }
}

/// Some proxies add the port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || {
        text.parse()
            .ok()
            .map(|address: std::net::SocketAddr| address.ip())
    };
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address: Option<IpAddr> = bare.parse().ok().or_else(with_port);
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let proxies = TrustedProxies::new(&networks);
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn an_untrusted_proxy_is_ignored() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        let nobody = TrustedProxies::default();
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, "198.51.100.7".parse().unwrap());
        let peer = "127.0.0.1".parse().unwrap();
        assert_eq!(nobody.client(peer, &headers), peer);
    }

    #[test]
    fn the_header_is_read_from_its_end_past_trusted_proxies() {
        for (lines, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            // The client has sent the part before it.
            (&["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            (&["10.9.9.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (&["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (&["198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            (&["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            (&[" 198.51.100.7:4711 "], "198.51.100.7"),
            (&["[2001:db8:2::1]:443"], "2001:db8:2::1"),
            (&["[2001:db8:2::1]"], "2001:db8:2::1"),
            (&["2001:db8:2::1, 2001:db8:1::5"], "2001:db8:2::1"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", lines), expected, "{lines:?}");
        }
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn an_unreadable_address_is_replaced_by_the_one_behind_it() {
        for (lines, expected) in [
            (&["unknown"][..], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&["198.51.100.7, "], "10.0.0.1"),
            (&["198.51.100.7, evil, 10.0.0.2"], "10.0.0.2"),
            (&["198.51.100.7:99999"], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_long_chain_of_proxies_is_cut() {
        let row = format!("198.51.100.7{}", ", 10.0.0.2".repeat(MAX_HOPS));
        assert_eq!(client("10.0.0.1", &[&row]), "10.0.0.2");
        let row = format!("198.51.100.7{}", ", 10.0.0.2".repeat(MAX_HOPS - 1));
        assert_eq!(client("10.0.0.1", &[&row]), "198.51.100.7");
    }

    #[test]
    fn a_network_is_an_address_or_64_bits_of_one() {
        let network = |address: &str| Network::of(address.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:0:0:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
