//! Which encoding an answer gets where the client takes several equally gladly: Brotli or gzip before zstd.
//!
//! The fetch of many GraphQL tools (whatwg-node, in graphql-codegen among others) says that it reads zstd on every
//! version of Node.js, and crashes below 22.15, which cannot. Who weighs zstd higher than the others, or takes only it,
//! gets zstd.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::ACCEPT_ENCODING;
use axum::middleware::Next;
use axum::response::Response;

use super::negotiation::read_weight;

/// Hides zstd from the compression where Brotli or gzip will do.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    if let Some(without_zstd) = request
        .headers()
        .get(ACCEPT_ENCODING)
        .and_then(without_zstd)
    {
        request.headers_mut().insert(ACCEPT_ENCODING, without_zstd);
    }
    next.run(request).await
}

/// The header with zstd refused; `None` where it can stay as it is.
fn without_zstd(header: &HeaderValue) -> Option<HeaderValue> {
    let accepted: Vec<(&str, u16)> = header
        .to_str()
        .ok()?
        .split(',')
        .filter_map(coding)
        .collect();
    let weight_of = |name: &str| {
        let coding = accepted
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        coding.map_or(0, |&(_, weight)| weight)
    };
    let zstd = weight_of("zstd");
    if zstd == 0 || weight_of("br").max(weight_of("gzip")) < zstd {
        return None;
    }
    let kept: Vec<&str> = header
        .to_str()
        .ok()?
        .split(',')
        .filter(|item| coding(item).is_none_or(|(name, _)| !name.eq_ignore_ascii_case("zstd")))
        .collect();
    HeaderValue::from_str(&format!("{}, zstd;q=0", kept.join(",").trim())).ok()
}

/// The name of a coding and its weight, in thousandths; `None` where the weight cannot be read.
fn coding(item: &str) -> Option<(&str, u16)> {
    let (name, parameter) = item.split_once(';').unwrap_or((item, "q=1"));
    let (key, value) = parameter.split_once('=')?;
    if !key.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    Some((name.trim(), read_weight(value.trim())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(header: &'static str) -> Option<String> {
        let changed = without_zstd(&HeaderValue::from_static(header))?;
        Some(changed.to_str().unwrap().to_owned())
    }

    #[test]
    fn zstd_is_hidden_where_another_encoding_is_as_welcome() {
        for (header, expected) in [
            ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd;q=0"),
            ("ZSTD, GZIP", "GZIP, zstd;q=0"),
            (
                "zstd; q=0.5, br;q=0.5, *;q=0.1",
                "br;q=0.5, *;q=0.1, zstd;q=0",
            ),
        ] {
            assert_eq!(changed(header).as_deref(), Some(expected), "{header}");
        }
    }

    #[test]
    fn zstd_stays_where_it_is_preferred_or_alone() {
        for header in [
            "zstd",
            "zstd, deflate",
            "br;q=0.9, gzip;q=0.8, zstd",
            "gzip, br, zstd;q=0",
            "gzip",
            "*",
            "",
        ] {
            assert_eq!(changed(header), None, "{header}");
        }
    }
}
