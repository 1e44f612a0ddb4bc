//! The page for browsers at `GET /graphql`, and its files.
//!
//! The build embeds them (`build/pages.rs`): `GraphiQL` where npm was available, otherwise a plain page of our own.
//! Nothing is loaded from other hosts, and the Content-Security-Policy enforces that. Each file is stored once,
//! compressed with gzip, and its URL contains a hash of its content, so that caches may keep it for ever.
//!
//! Decision: `docs/decisions/0004-graphiql.md`.

use std::io::Read as _;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use flate2::read::GzDecoder;

use crate::graphql::etag::matches_etag;
use crate::graphql::headers::{list, weighted};
use crate::graphql::page::FrontPage;

/// A page and all the files that it loads.
struct Page {
    /// With the placeholders `{SERVICE_NAME}` and `{DESCRIPTION}`.
    html: &'static str,
    assets: &'static [Asset],
}

struct Asset {
    name: &'static str,
    /// The hash of the content before compression.
    hash: &'static str,
    content_type: &'static str,
    gzip: &'static [u8],
}

mod embedded {
    use super::{Asset, Page};

    include!(concat!(env!("OUT_DIR"), "/ui/embedded.rs"));
}

/// `GraphiQL` and its libraries need inline styles. Scripts are allowed from files only. `'self'` includes the
/// WebSocket of the same host.
const GRAPHIQL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; \
     connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

const PLAIN_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// The files of the pages, at `/graphiql/{hash}/{name}`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/graphiql/{hash}/{name}", get(serve))
}

/// `GraphiQL` where the build had npm, otherwise the plain page, with the name and description of the service. Its URLs
/// are relative, so that a proxy may serve it under another path.
pub(super) fn front_page(service_name: &str, description: &str) -> FrontPage {
    let (page, policy) = match &embedded::GRAPHIQL {
        Some(page) => (page, GRAPHIQL_POLICY),
        None => (&embedded::PLAIN, PLAIN_POLICY),
    };
    FrontPage::new(page.named(service_name, description), policy)
}

impl Page {
    fn named(&self, service_name: &str, description: &str) -> String {
        self.html
            .replace("{SERVICE_NAME}", &escaped(service_name))
            .replace("{DESCRIPTION}", &escaped(description))
    }
}

/// Escapes text for HTML content and quoted attributes. Also escapes braces, so that a name cannot contain the
/// placeholder of the description.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '{' => html.push_str("&#123;"),
            '}' => html.push_str("&#125;"),
            c => html.push(c),
        }
    }
    html
}

async fn serve(
    path: Result<Path<(String, String)>, PathRejection>,
    request: HeaderMap,
) -> Response {
    let Ok(Path((hash, name))) = path else {
        return super::routes::not_found().await;
    };
    let pages = [Some(&embedded::PLAIN), embedded::GRAPHIQL.as_ref()];
    let found = pages
        .into_iter()
        .flatten()
        .flat_map(|page| page.assets)
        .find(|file| file.hash == hash && file.name == name);
    match found {
        Some(asset) => asset.answer(&request),
        None => super::routes::not_found().await,
    }
}

impl Asset {
    fn answer(&self, request: &HeaderMap) -> Response {
        let gzip = accepts_gzip(request);
        // A strong tag identifies one sequence of bytes, so each encoding has its own.
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
    for (coding, weight) in list(request, header::ACCEPT_ENCODING).filter_map(weighted) {
        match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return weight > 0,
            "*" => by_star = weight > 0,
            _ => {}
        }
    }
    by_star
}

#[cfg(test)]
mod tests;
