//! Parsers of single values, and their error messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) use broadsheet_articles::store::settings::{nonzero_time, time};
use clap::builder::RangedU64ValueParser;
use http::Uri;
use http::uri::Authority;

/// No larger number of anything can occur, and sums of such limits still fit.
const LARGEST_NUMBER: u64 = 1 << 40;

/// A limit or a size, for which zero has a meaning.
pub(super) fn number<T: TryFrom<u64>>() -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(0..=LARGEST_NUMBER)
}

/// A limit that must not be zero, because the server could not process any request then.
pub(super) fn at_least_one<T: TryFrom<u64>>() -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(1..=LARGEST_NUMBER)
}

/// The address to listen on. An IPv6 address may be in brackets, as in a URL.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .filter(|text| text.contains(':'));
    bare.unwrap_or(text).parse().map_err(|_| {
        "expected an IP address without a port, or localhost; 0.0.0.0 means all addresses of this machine, and [::] \
         also those of IPv6"
            .to_owned()
    })
}

/// An origin as browsers send it, or `*` for all.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text == "*" {
        return Ok(text.to_owned());
    }
    if text.is_empty() {
        return Err("an origin is missing between two commas".to_owned());
    }
    if !text.contains("://") {
        return Err(format!(
            "an origin has a scheme, such as https://{}",
            if text.contains(['/', ':']) || text == "null" {
                "example.com"
            } else {
                text
            }
        ));
    }
    if text.contains('*') {
        return Err(
            "an origin is compared as a whole: list each one, or write * alone for all".to_owned(),
        );
    }
    let form = || "an origin is a scheme, a host and, where it is not the usual one, a port: https://example.com:8443";
    let uri: Uri = text.parse().map_err(|_| match text.is_ascii() {
        true => form().to_owned(),
        false => {
            "browsers send a host with non-ASCII letters in Punycode (xn--…): write it that way"
                .to_owned()
        }
    })?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(form().to_owned());
    };
    let is_bare = uri.path() == "/" && uri.query().is_none() && !text.contains('#');
    let has_port = !authority.as_str().ends_with(authority.host());
    if !is_bare || authority.as_str().contains('@') || has_port && authority.port_u16().is_none() {
        return Err(form().to_owned());
    }
    let scheme = scheme.to_ascii_lowercase();
    let host = canonical_host(authority.host());
    Ok(match (scheme.as_str(), authority.port_u16()) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}

/// A host that the server accepts, with or without a port, or `*` for any.
pub(super) fn host(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_host = !text.is_empty()
        && text
            .parse::<Authority>()
            .is_ok_and(|authority| !authority.host().is_empty() && !text.contains('@'));
    if text != "*" && (!is_host || text.contains('*')) {
        return Err(
            "a host is a name or an address, with or without a port: example.com, or [::1]:8000; * alone means any"
                .to_owned(),
        );
    }
    Ok(text.to_ascii_lowercase())
}

fn canonical_host(host: &str) -> String {
    let ip = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .and_then(|host| host.parse::<Ipv6Addr>().ok());
    match ip {
        Some(ip) => format!("[{ip}]"),
        None => host.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_becomes_what_browsers_send() {
        for (text, expected) in [
            ("*", "*"),
            ("https://a.example", "https://a.example"),
            (" https://a.example ", "https://a.example"),
            ("https://a.example/", "https://a.example"),
            ("HTTPS://A.Example:443", "https://a.example"),
            ("http://a.example:80/", "http://a.example"),
            ("http://a.example:443", "http://a.example:443"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[0:0::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
        ] {
            assert_eq!(origin(text), Ok(expected.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn an_origin_that_would_never_match_is_rejected() {
        for (text, expected) in [
            ("", "between two commas"),
            ("a.example", "a scheme, such as https://a.example"),
            ("localhost:3000", "a scheme, such as https://example.com"),
            ("null", "a scheme"),
            ("//a.example", "a scheme"),
            ("https://*.example.com", "list each one"),
            ("https://a.example/app", "a scheme, a host"),
            ("https://a.example?x", "a scheme, a host"),
            ("https://a.example#x", "a scheme, a host"),
            ("https://u@a.example", "a scheme, a host"),
            ("https://a.example:", "a scheme, a host"),
            ("https://a.example:70000", "a scheme, a host"),
            ("https://", "a scheme, a host"),
            ("https://a.example https://b.example", "a scheme, a host"),
            ("https://bücher.example", "Punycode"),
        ] {
            let rejected = origin(text).unwrap_err();
            assert!(rejected.contains(expected), "{text:?}: {rejected}");
        }
    }

    #[test]
    fn a_host_has_no_scheme_and_no_path() {
        for (text, expected) in [
            ("*", "*"),
            (" API.example ", "api.example"),
            ("a.example:8443", "a.example:8443"),
            ("[::1]:8000", "[::1]:8000"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(host(text), Ok(expected.to_owned()), "{text:?}");
        }
        for text in [
            "",
            "https://a.example",
            "a.example/",
            "*.example",
            "u@a.example",
            ":80",
            "::1",
        ] {
            assert!(host(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_may_be_local_or_in_brackets() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "127.0.0.1"),
            ("LocalHost", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::]", "::"),
            ("0.0.0.0 ", "0.0.0.0"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text:?}");
        }
        for text in [
            "",
            "*",
            "example.com",
            "127.0.0.1:80",
            "[127.0.0.1]",
            "[::1",
            "::1]",
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }
}
