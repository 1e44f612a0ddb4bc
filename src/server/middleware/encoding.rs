//! Content encodings: decodes requests and encodes responses, where necessary.
//!
//! If a client accepts several encodings with equal weight, it gets Brotli or gzip rather than zstd. The fetch
//! implementation of many GraphQL tools (whatwg-node, in graphql-codegen among others) accepts zstd on every version of
//! Node.js, and crashes on versions below 22.15, which cannot decode it. A client that gives zstd a higher weight, or
//! accepts nothing else, gets zstd.

use std::convert::Infallible;
use std::future::ready;
use std::io;

use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::zstd::DParameter;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use futures_util::future::{BoxFuture, Either};
use futures_util::{FutureExt as _, TryFutureExt as _, TryStreamExt as _};
use tokio_util::io::{ReaderStream, StreamReader};
use tower::{Service, ServiceExt as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::decompression::RequestDecompression;

use super::Answer;
use crate::graphql::headers::weighted;

/// The encodings of requests that are decoded here.
pub(in crate::server) const DECODED: HeaderValue = HeaderValue::from_static("gzip, br, zstd");

/// A shorter body, in bytes, is not encoded: it fits into one packet either way.
const ENCODED_ABOVE_BYTES: u16 = 1024;

/// Passes the request to the routes, with its body decoded.
///
/// The reader of a body limits its size, which is the size after decoding. Unknown encodings are passed on, so that the
/// endpoint rejects them with a message.
pub(super) fn decoded<S>(mut routes: S, request: Request) -> Answer
where
    S: Service<Request, Response = Response, Error = Infallible, Future = Answer> + Send + 'static,
{
    match request.headers().get(CONTENT_ENCODING) {
        None => routes.call(request),
        Some(encoding) if encoding == "zstd" => routes.call(without_zstd_frames(request)),
        Some(_) => {
            let routes = service_fn(move |request: axum::http::Request<_>| {
                routes.call(request.map(Body::new))
            });
            let decoding = RequestDecompression::new(routes).pass_through_unaccepted(true);
            let decoded = decoding.oneshot(request);
            decoded.map_ok(|response| response.map(Body::new)).boxed()
        }
    }
}

/// A zstd frame may require a window of 128 MiB; RFC 8878 (section 3.1.1.1.2) recommends that decoders support 8 MiB,
/// and encoders use no more. As a power of two.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The request with its body decoded from zstd frames.
fn without_zstd_frames(request: Request) -> Request {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(CONTENT_ENCODING);
    parts.headers.remove(CONTENT_LENGTH);
    let body = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    let window = DParameter::window_log_max(ZSTD_WINDOW_LOG);
    let mut decoder = ZstdDecoder::with_params(body, &[window]);
    decoder.multiple_members(true);
    Request::from_parts(parts, Body::from_stream(ReaderStream::new(decoder)))
}

/// The encodings that the client accepts; `None` where it does not say.
pub(super) fn accepted(headers: &HeaderMap) -> Option<HeaderValue> {
    let accepted = headers.get(ACCEPT_ENCODING)?;
    Some(without_zstd(accepted).unwrap_or_else(|| accepted.clone()))
}

/// The response in the encoding that the client prefers, where encoding pays off; otherwise unchanged and without
/// waiting.
pub(super) fn encoded(
    mut response: Response,
    accepted: Option<HeaderValue>,
) -> Either<Response, BoxFuture<'static, Response>> {
    let worth_it = SizeAbove::new(ENCODED_ABOVE_BYTES)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES);
    if !worth_it.should_compress(&response) {
        return Either::Left(response);
    }
    let Some(accepted) = accepted else {
        let varies = HeaderValue::from_name(ACCEPT_ENCODING);
        response.headers_mut().append(VARY, varies);
        return Either::Left(response);
    };
    let mut request = Request::new(Body::empty());
    request.headers_mut().insert(ACCEPT_ENCODING, accepted);
    let mut response = Some(response);
    let answer =
        service_fn(move |_| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let encoding = Compression::new(answer)
        .quality(CompressionLevel::Fastest)
        .compress_when(worth_it);
    let encoded = async {
        let Ok(response) = encoding.oneshot(request).await;
        response.map(Body::new)
    };
    Either::Right(encoded.boxed())
}

/// The header with zstd excluded; `None` where it needs no change.
fn without_zstd(header: &HeaderValue) -> Option<HeaderValue> {
    let accepted: Vec<(&str, u16)> = header
        .to_str()
        .ok()?
        .split(',')
        .filter_map(weighted)
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
        .filter(|item| weighted(item).is_none_or(|(name, _)| !name.eq_ignore_ascii_case("zstd")))
        .collect();
    HeaderValue::from_str(&format!("{}, zstd;q=0", kept.join(",").trim())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(header: &'static str) -> Option<String> {
        let changed = without_zstd(&HeaderValue::from_static(header))?;
        Some(changed.to_str().unwrap().to_owned())
    }

    #[test]
    fn zstd_is_avoided_if_another_encoding_has_the_same_weight() {
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
    fn zstd_is_used_if_preferred_or_alone() {
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
