//! Which pages may open a socket: those of this host, and those that are listed.

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::headers::is_listed_origin;

/// The host that the client requested, from a proxy that puts its own name into `Host`.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whether the handshake is allowed. A request without an `Origin` does not come from a browser, so it cannot misuse a
/// user's cookies. Pages cannot set headers of a handshake, so `X-Forwarded-Host` comes from a proxy.
pub(super) fn is_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    is_listed_origin(allowed, origin)
        || is_of_this_host(origin, headers.get(HOST))
        || is_of_this_host(origin, headers.get(FORWARDED_HOST))
}

/// Compares with the requested host, whose port defaults to that of the origin's scheme: behind a proxy that terminates
/// TLS, only the origin shows the scheme.
fn is_of_this_host(origin: &str, host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return false;
    };
    // A chain of proxies appends to the list.
    let host = host.split(',').next().unwrap_or_default().trim();
    let (Ok(origin), Ok(host)) = (origin.parse::<Uri>(), host.parse::<Authority>()) else {
        return false;
    };
    let usual_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    origin.authority().is_some_and(|authority| {
        authority.host().eq_ignore_ascii_case(host.host())
            && authority.port_u16().unwrap_or(usual_port) == host.port_u16().unwrap_or(usual_port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origin: Option<&'static str>, host: &'static str, listed: &[&str]) -> bool {
        let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
        is_allowed(&headers, &listed)
    }

    #[test]
    fn clients_without_an_origin_are_allowed() {
        assert!(allows(None, "example.com", &[]));
    }

    #[test]
    fn a_page_of_the_same_host_and_port_is_allowed() {
        assert!(allows(Some("http://localhost:8000"), "localhost:8000", &[]));
        assert!(allows(Some("https://Example.com"), "example.com", &[]));
        assert!(allows(Some("https://example.com"), "example.com:443", &[]));
        assert!(allows(Some("http://[::1]:8000"), "[::1]:8000", &[]));
    }

    #[test]
    fn a_page_of_another_host_or_port_is_not_allowed() {
        for origin in [
            "http://localhost:8001",
            "http://localhost",
            "http://localhost:8000.example.com",
            "http://example.com",
            "https://evil.example/localhost:8000",
            "file://localhost:8000",
            "localhost:8000",
            "null",
            "",
        ] {
            assert!(!allows(Some(origin), "localhost:8000", &[]), "{origin}");
        }
    }

    #[test]
    fn x_forwarded_host_takes_precedence_over_host() {
        let allows = |forwarded: &'static str| {
            let headers = HeaderMap::from_iter([
                (HOST, HeaderValue::from_static("127.0.0.1:8000")),
                (FORWARDED_HOST, HeaderValue::from_static(forwarded)),
                (ORIGIN, HeaderValue::from_static("https://example.com")),
            ]);
            is_allowed(&headers, &[])
        };
        for forwarded in ["example.com", "example.com:443", "example.com, inner"] {
            assert!(allows(forwarded), "{forwarded}");
        }
        for forwarded in ["example.org", "inner, example.com", "example.com:80", ""] {
            assert!(!allows(forwarded), "{forwarded}");
        }
    }

    #[test]
    fn a_listed_origin_is_allowed_and_no_other() {
        let listed = ["https://example.com/", "null"];
        assert!(allows(
            Some("https://example.com"),
            "api.example.com",
            &listed
        ));
        assert!(allows(Some("null"), "api.example.com", &listed));
        assert!(!allows(
            Some("https://example.org"),
            "api.example.com",
            &listed
        ));
        assert!(allows(
            Some("https://example.org"),
            "api.example.com",
            &["*"]
        ));
    }
}
