//! The header `Host`, of which an HTTP/1.1 request must have exactly one (RFC 9112, section 3.2), and the hosts that
//! the server accepts.
//!
//! DNS rebinding: a page of another site can make its own name resolve to this machine, and then has the same origin as
//! a server that listens here, but its requests contain that name. So a server on a loopback address accepts only its
//! own names.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version};
use axum::response::Response;
use graphql_guard::truncate;

use crate::error::ErrorCode;
use crate::graphql::http::rejection;

/// The hosts that the server accepts.
#[derive(Debug, Clone)]
pub(in crate::server) enum AllowedHosts {
    Any,
    /// `localhost`, names that end with `.localhost`, and loopback addresses, with any port.
    Loopback,
    /// In lower case. An entry without a port allows any port.
    Listed(Vec<String>),
}

impl AllowedHosts {
    /// The listed hosts, in which `*` means any; without a list, a server that listens on a loopback address accepts
    /// only its own names.
    pub(in crate::server) fn new(listed: &[String], address: IpAddr) -> Self {
        match listed {
            [] if address.to_canonical().is_loopback() => Self::Loopback,
            [] => Self::Any,
            listed if listed.iter().any(|host| host == "*") => Self::Any,
            listed => Self::Listed(listed.to_vec()),
        }
    }

    /// Whether this host, which may have a port, is accepted.
    fn allow(&self, host: &str) -> bool {
        let (name, port) = split(host);
        match self {
            Self::Any => true,
            Self::Loopback => is_loopback(name),
            Self::Listed(listed) => listed.iter().any(|entry| {
                let (listed_name, listed_port) = split(entry);
                listed_name.eq_ignore_ascii_case(name)
                    && (listed_port.is_none() || listed_port == port)
            }),
        }
    }
}

/// The name, without a trailing dot, and the port.
fn split(host: &str) -> (&str, Option<&str>) {
    let (name, port) = match host.rsplit_once(':') {
        // Within brackets the colon is part of an IPv6 address.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    (name.strip_suffix('.').unwrap_or(name), port)
}

fn is_loopback(name: &str) -> bool {
    const LOCAL: &str = "localhost";
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    let above = name
        .len()
        .checked_sub(LOCAL.len())
        .and_then(|length| name.split_at_checked(length));
    let is_local = above.is_some_and(|(above, local)| {
        local.eq_ignore_ascii_case(LOCAL) && (above.is_empty() || above.ends_with('.'))
    });
    is_local
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The response to a request whose `Host` is missing, repeated, malformed, or not accepted.
pub(super) fn rejected(request: &Request, allowed: &AllowedHosts) -> Option<Response> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let message = match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.as_bytes().iter().all(|&byte| is_allowed(byte)) => {
            return misdirected(request, host.to_str().unwrap_or_default(), allowed);
        }
        (None, _) if request.version() < Version::HTTP_11 => return None,
        (None, _) => "a request of HTTP/1.1 must have the header Host",
        (Some(_), Some(_)) => "a request must have the header Host once, but it has several",
        (Some(_), None) => "the header Host must be a host, with or without a port",
    };
    Some(rejection(
        StatusCode::BAD_REQUEST,
        ErrorCode::BAD_REQUEST,
        message,
    ))
}

/// The response to a request for a host that is not accepted. Health checks may use any address, and learn only that
/// the server is alive.
fn misdirected(request: &Request, host: &str, allowed: &AllowedHosts) -> Option<Response> {
    if matches!(allowed, AllowedHosts::Any) || request.uri().path().starts_with("/health/") {
        return None;
    }
    // A host in the request target takes precedence over the header.
    let target = request.uri().authority().map(Authority::as_str);
    let foreign = [Some(host), target]
        .into_iter()
        .flatten()
        .find(|host| !allowed.allow(host))?;
    let foreign = truncate::of(foreign);
    let message = format!(
        "requests for the host {foreign} are not accepted here; the server's setting ALLOWED_HOSTS lists the accepted \
         ones"
    );
    let status = StatusCode::MISDIRECTED_REQUEST;
    Some(rejection(status, ErrorCode::BAD_REQUEST, &message))
}

/// Whether a byte is allowed in a host or a port (RFC 3986, section 3.2.2).
fn is_allowed(byte: u8) -> bool {
    // The pattern compiles to a table, unlike a search in a list.
    matches!(
        byte,
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&'..=b',' | b';'
            | b'=' | b':' | b'[' | b']'
    )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderValue;

    use super::*;

    fn is_rejected(version: Version, hosts: &[&str]) -> bool {
        let mut request = Request::new(Body::empty());
        *request.version_mut() = version;
        for host in hosts {
            let host = HeaderValue::from_bytes(host.as_bytes()).unwrap();
            request.headers_mut().append(HOST, host);
        }
        rejected(&request, &AllowedHosts::Any).is_some()
    }

    #[test]
    fn a_request_has_one_host() {
        for host in ["a", "a.example:80", "[::1]:8000", "1.2.3.4", ""] {
            assert!(!is_rejected(Version::HTTP_11, &[host]), "{host}");
        }
        for hosts in [
            &[][..],
            &["a", "a"],
            &["a", "b"],
            &["a b"],
            &["a/b"],
            &["user@a"],
            &["ä"],
        ] {
            assert!(is_rejected(Version::HTTP_11, hosts), "{hosts:?}");
        }
    }

    #[test]
    fn a_request_of_an_older_version_may_lack_it() {
        assert!(!is_rejected(Version::HTTP_10, &[]));
        assert!(is_rejected(Version::HTTP_10, &["a", "b"]));
    }

    fn allowed(listed: &[&str], address: &str) -> AllowedHosts {
        let listed: Vec<_> = listed.iter().map(ToString::to_string).collect();
        AllowedHosts::new(&listed, address.parse().unwrap())
    }

    #[test]
    fn a_loopback_address_accepts_its_own_names() {
        for address in ["127.0.0.1", "::1", "127.1.2.3"] {
            let allowed = allowed(&[], address);
            for host in [
                "localhost",
                "LocalHost:8000",
                "localhost.",
                "app.localhost:80",
                "127.0.0.1:8000",
                "127.1.1.1",
                "[::1]",
                "[::1]:8000",
                "[::ffff:127.0.0.1]",
            ] {
                assert!(allowed.allow(host), "{host}");
            }
            for host in [
                "",
                ":8000",
                "evil.example",
                "evil.example:8000",
                "localhost.evil.example",
                "evillocalhost",
                "127.0.0.1.evil.example",
                "192.168.0.1",
                "[::2]:8000",
                "0.0.0.0",
                "::",
            ] {
                assert!(!allowed.allow(host), "{host}");
            }
        }
    }

    #[test]
    fn other_addresses_accept_any_host_unless_some_are_listed() {
        assert!(allowed(&[], "0.0.0.0").allow("any.example"));
        assert!(allowed(&["*"], "127.0.0.1").allow("any.example"));
        for address in ["0.0.0.0", "127.0.0.1"] {
            let allowed = allowed(&["api.example", "b.example:8443", "[2001:db8::1]"], address);
            for host in [
                "api.example",
                "API.example.:80",
                "b.example:8443",
                "[2001:db8::1]:80",
            ] {
                assert!(allowed.allow(host), "{host}");
            }
            for host in ["example", "b.example", "b.example:80", "localhost", ""] {
                assert!(!allowed.allow(host), "{host}");
            }
        }
    }

    #[test]
    fn the_request_target_takes_precedence_over_the_header() {
        let mut request = Request::new(Body::empty());
        let own = HeaderValue::from_static("localhost");
        request.headers_mut().insert(HOST, own);
        let allowed = allowed(&[], "127.0.0.1");
        assert!(rejected(&request, &allowed).is_none());
        *request.uri_mut() = "http://evil.example/graphql".parse().unwrap();
        let status = rejected(&request, &allowed).map(|response| response.status());
        assert_eq!(status, Some(StatusCode::MISDIRECTED_REQUEST));
    }
}
