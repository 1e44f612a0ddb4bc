//! The page that a browser gets at `GET /graphql`, and the files it is made of.
//!
//! The build embeds them (`build.rs`): `GraphiQL` where npm was there, else a plain page of our own. Nothing is
//! fetched from elsewhere, and the Content-Security-Policy holds the browser to that. Each file is kept once, in
//! gzip, and its address carries a hash of its content, so that caches may keep it for ever.

use std::io::Read as _;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use flate2::read::GzDecoder;

/// A page and every file that it fetches.
struct Page {
    html: &'static str,
    assets: &'static [Asset],
}

struct Asset {
    name: &'static str,
    /// Of the content as it is before compression.
    hash: &'static str,
    content_type: &'static str,
    gzip: &'static [u8],
}

mod embedded {
    use super::{Asset, Page};

    include!(concat!(env!("OUT_DIR"), "/ui/embedded.rs"));
}

/// `GraphiQL` and the libraries in it write style elements and attributes, which cannot be helped. Scripts come
/// from files alone. `'self'` covers the WebSocket of the same host.
const GRAPHIQL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; \
     connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

const PLAIN_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// The files of the pages, at `/graphiql/{hash}/{name}`.
pub fn routes() -> Router {
    Router::new().route("/graphiql/{hash}/{name}", get(serve))
}

/// The answer to `GET /graphql` for a caller that accepts `text/html`.
///
/// `GraphiQL` where the build had npm, the plain page where it had not. Its addresses are relative, so that the
/// server may stand behind a path of a proxy's.
pub fn page() -> Response {
    embedded::GRAPHIQL.as_ref().map_or_else(
        || show(&embedded::PLAIN, PLAIN_POLICY),
        |page| show(page, GRAPHIQL_POLICY),
    )
}

fn show(page: &Page, policy: HeaderValue) -> Response {
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (headers, Html(page.html)).into_response()
}

async fn serve(Path((hash, name)): Path<(String, String)>, request: HeaderMap) -> Response {
    let pages = [Some(&embedded::PLAIN), embedded::GRAPHIQL.as_ref()];
    let found = pages
        .into_iter()
        .flatten()
        .flat_map(|page| page.assets)
        .find(|file| file.hash == hash && file.name == name);
    match found {
        Some(asset) => asset.answer(&request),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Asset {
    fn answer(&self, request: &HeaderMap) -> Response {
        let gzip = accepts_gzip(request);
        // A strong tag names one sequence of bytes, so each encoding has its own.
        let etag = if gzip {
            format!("\"{}-gzip\"", self.hash)
        } else {
            format!("\"{}\"", self.hash)
        };
        let shared = [
            (header::ETAG, etag.as_str()),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            (header::VARY, "accept-encoding"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        if matches_etag(request, &etag) {
            return (StatusCode::NOT_MODIFIED, shared).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        if gzip {
            return (
                shared,
                content_type,
                [(header::CONTENT_ENCODING, "gzip")],
                self.gzip,
            )
                .into_response();
        }
        match self.inflate() {
            Ok(bytes) => (shared, content_type, bytes).into_response(),
            Err(error) => {
                tracing::error!(asset = self.name, %error, "an embedded file is damaged");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    fn inflate(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        GzDecoder::new(self.gzip).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Whether `Accept-Encoding` allows gzip (RFC 9110, section 12.5.3): by its name, or else by `*`.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut by_star = false;
    for item in list(request, header::ACCEPT_ENCODING) {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let allowed = weight
            .trim()
            .strip_prefix("q=")
            .is_none_or(|q| q.trim().parse::<f32>().is_ok_and(|q| q > 0.0));
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return allowed,
            "*" => by_star = allowed,
            _ => {}
        }
    }
    by_star
}

/// Whether `If-None-Match` names this tag; the comparison is the weak one (RFC 9110, section 13.1.2).
fn matches_etag(request: &HeaderMap, etag: &str) -> bool {
    list(request, header::IF_NONE_MATCH)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The items of a header that is a list, over all its lines.
fn list(request: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = request
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}
