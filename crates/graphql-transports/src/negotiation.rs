//! Negotiates the media type of the response, and checks that of a request's body.
//!
//! The parts of RFC 9110 (sections 8.3 and 12.5.1) that GraphQL over HTTP needs. This module depends only on headers,
//! not on requests or responses.

#[cfg(test)]
mod tests;

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};

use super::headers::read_weight;

/// The media types of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Representation {
    /// `application/graphql-response+json`: the status shows the outcome of the request.
    GraphQLResponse,
    /// `application/json`: a well-formed request gets 200 whatever its outcome, because with any other status a
    /// response of this type may come from an intermediary.
    Json,
    /// `text/event-stream`, see `sse`.
    EventStream,
    /// `text/html`, the page for browsers.
    Html,
}

use Representation::{EventStream, GraphQLResponse, Html, Json};

impl Representation {
    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> HeaderValue {
        // Constants, because creating a header value validates every byte.
        const GRAPHQL_RESPONSE: HeaderValue =
            HeaderValue::from_static("application/graphql-response+json; charset=utf-8");
        const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
        const EVENT_STREAM: HeaderValue =
            HeaderValue::from_static("text/event-stream; charset=utf-8");
        const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
        match self {
            GraphQLResponse => GRAPHQL_RESPONSE,
            Json => JSON,
            EventStream => EVENT_STREAM,
            Html => HTML,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            GraphQLResponse => "application/graphql-response+json",
            Json => "application/json",
            EventStream => "text/event-stream",
            Html => "text/html",
        }
    }

    /// Decides between representations of equal weight. A client that names both JSON types knows the newer one; a
    /// client that accepts anything, or sends no `Accept`, may only know the older. Clients such as urql name all but
    /// the page in every request, and prefer JSON where it is possible.
    fn preference(self, named: bool) -> u8 {
        match self {
            GraphQLResponse if named => 4,
            Json => 3,
            GraphQLResponse => 2,
            EventStream if named => 1,
            Html if !named => 1,
            EventStream | Html => 0,
        }
    }
}

/// The best of `offered` by `Accept`: the highest weight, then the most specific range. `None` where nothing is
/// acceptable (406). A missing or empty header accepts anything.
///
/// Only the parameters `q` and `charset` are considered; invalid ranges are ignored.
pub(super) fn negotiate(headers: &HeaderMap, offered: &[Representation]) -> Option<Representation> {
    if let Some(named) = named_alone(headers, offered) {
        return Some(named);
    }
    let mut lines = headers.get_all(ACCEPT).iter().peekable();
    let mut ranges = Vec::new();
    let mut is_empty = true;
    for line in lines.by_ref() {
        let text = line.to_str().unwrap_or("?");
        is_empty &= text.trim().is_empty();
        ranges.extend(split(text, ',').filter_map(Range::read));
    }
    if is_empty {
        ranges.extend(Range::read("*/*"));
    }
    offered
        .iter()
        .filter_map(|&representation| {
            let (exactness, weight) = ranges
                .iter()
                .filter_map(|range| Some((range.exactness(representation)?, range.weight)))
                .max()?;
            let preference = representation.preference(exactness == Exactness::Named);
            (weight > 0).then_some((weight, exactness, preference, representation))
        })
        .max_by_key(|&(weight, exactness, preference, _)| (weight, exactness, preference))
        .map(|(.., representation)| representation)
}

/// The representation whose media type is the whole `Accept`, as in most requests.
fn named_alone(headers: &HeaderMap, offered: &[Representation]) -> Option<Representation> {
    let mut lines = headers.get_all(ACCEPT).iter();
    let (line, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    let mut offered = offered.iter().copied();
    offered.find(|representation| line == representation.media_type())
}

/// How specific a range is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Anything,
    AnySubtype,
    Named,
}

/// A media range of `Accept`.
struct Range<'h> {
    name: &'h str,
    /// Thousandths.
    weight: u16,
}

impl<'h> Range<'h> {
    /// `None` where it is invalid, or demands a charset other than UTF-8.
    fn read(text: &'h str) -> Option<Self> {
        let mut parts = split(text, ';');
        let name = parts.next()?;
        let (main, subtype) = name.split_once('/')?;
        let mut weight = 1000;
        for parameter in parts.filter(|part| !part.is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            if name.trim().eq_ignore_ascii_case("q") {
                weight = read_weight(value.trim())?;
            } else if !is_utf8_if_charset(name, value) {
                return None;
            }
        }
        let is_range = !main.is_empty() && !subtype.is_empty() && (main != "*" || subtype == "*");
        is_range.then_some(Self { name, weight })
    }

    fn exactness(&self, representation: Representation) -> Option<Exactness> {
        let media_type = representation.media_type();
        if self.name.eq_ignore_ascii_case(media_type) {
            return Some(Exactness::Named);
        }
        let main = self.name.strip_suffix("/*")?;
        if main == "*" {
            return Some(Exactness::Anything);
        }
        let is_main = media_type
            .split_once('/')
            .is_some_and(|(name, _)| main.eq_ignore_ascii_case(name));
        is_main.then_some(Exactness::AnySubtype)
    }
}

/// The media type of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyType {
    /// `application/json` in UTF-8, the only one that is read.
    Json,
    /// No `Content-Type`.
    Unnamed,
    /// Any other type. Requiring JSON also keeps pages of other sites from posting here: browsers send a CORS preflight
    /// for all but three types, and JSON is not one of them.
    Other,
}

/// Reads `Content-Type`.
pub(super) fn body_type(headers: &HeaderMap) -> BodyType {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => BodyType::Unnamed,
        // Nearly every request has exactly this value.
        (Some(line), None) if line == "application/json" => BodyType::Json,
        (Some(line), None) if line.to_str().is_ok_and(is_json_in_utf8) => BodyType::Json,
        _ => BodyType::Other,
    }
}

fn is_json_in_utf8(content_type: &str) -> bool {
    let mut parts = split(content_type, ';');
    let is_json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    is_json
        && parts
            .filter(|part| !part.is_empty())
            .all(|parameter| match parameter.split_once('=') {
                Some((name, value)) => is_utf8_if_charset(name, value),
                None => false,
            })
}

fn is_utf8_if_charset(name: &str, value: &str) -> bool {
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || value.eq_ignore_ascii_case("utf-8")
        || value.eq_ignore_ascii_case("utf8")
}

/// The parts between separators, trimmed; separators within quotes are ignored.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let has_quotes = text.contains('"');
    // The same result for a text without quotes, and several times as fast.
    let plain = (!has_quotes).then(|| text.split(separator));
    let quoted = has_quotes.then(|| {
        let mut quoted = false;
        let mut escaped = false;
        text.split(move |character| {
            let is_separator = !quoted && character == separator;
            if !escaped && character == '"' {
                quoted = !quoted;
            }
            escaped = quoted && !escaped && character == '\\';
            is_separator
        })
    });
    let parts = plain.into_iter().flatten();
    parts.chain(quoted.into_iter().flatten()).map(str::trim)
}
