//! The header `Host`, which a request of HTTP/1.1 must have once (RFC 9112, section 3.2).

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{StatusCode, Version};
use axum::response::Response;

/// The answer to a request whose `Host` is missing, stands there twice, or is none.
pub(super) fn refused(request: &Request) -> Option<Response> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let message = match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.as_bytes().iter().all(|&byte| is_allowed(byte)) => return None,
        (None, _) if request.version() < Version::HTTP_11 => return None,
        (None, _) => "a request of HTTP/1.1 must have the header Host",
        (Some(_), Some(_)) => "a request must have the header Host once, but it has several",
        (Some(_), None) => "the header Host must be a host, with or without a port",
    };
    let status = StatusCode::BAD_REQUEST;
    Some(crate::graphql::http::refusal(
        status,
        "BAD_REQUEST",
        message,
    ))
}

/// Whether a byte may stand in a host or a port (RFC 3986, section 3.2.2).
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderValue;

    use super::*;

    fn is_refused(version: Version, hosts: &[&str]) -> bool {
        let mut request = Request::new(Body::empty());
        *request.version_mut() = version;
        for host in hosts {
            let host = HeaderValue::from_bytes(host.as_bytes()).unwrap();
            request.headers_mut().append(HOST, host);
        }
        refused(&request).is_some()
    }

    #[test]
    fn a_request_has_one_host() {
        for host in ["a", "a.example:80", "[::1]:8000", "1.2.3.4", ""] {
            assert!(!is_refused(Version::HTTP_11, &[host]), "{host}");
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
            assert!(is_refused(Version::HTTP_11, hosts), "{hosts:?}");
        }
    }

    #[test]
    fn a_request_of_an_older_version_may_lack_it() {
        assert!(!is_refused(Version::HTTP_10, &[]));
        assert!(is_refused(Version::HTTP_10, &["a", "b"]));
    }
}
