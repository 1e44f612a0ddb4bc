//! The id of a request: the caller's where it is sane, or a new one; in the answer, and in every line of the log.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The most characters of an id that a caller may choose.
const MAX_LENGTH: usize = 128;

/// The id of the request under way, as an extension of the request.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

/// Gives the request its id and its span in the log.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_sane(id))
        .map_or_else(
            || crate::clock::Clock::system().new_id().to_string(),
            ToOwned::to_owned,
        );
    let span = tracing::info_span!(
        "request",
        id,
        method = %request.method(),
        path = request.uri().path(),
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    let began = std::time::Instant::now();
    async move {
        let mut response = next.run(request).await;
        tracing::debug!(status = response.status().as_u16(), took = ?began.elapsed(), "answered");
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(HEADER, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// Whether an id may stand in a header and in a log as it is.
fn is_sane(id: &str) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::is_sane;

    #[test]
    fn a_callers_id_is_kept_when_it_is_sane() {
        assert!(is_sane("req-1/a:b.C_d+e="));
        assert!(is_sane(&"a".repeat(128)));
        for id in ["", "a b", "a\nb", "é", "<script>", &"a".repeat(129)] {
            assert!(!is_sane(id), "{id:?}");
        }
    }
}
