//! Which media type `Accept` selects, and which bodies are accepted.

use super::*;

const BY_GET: [Representation; 4] = [Html, EventStream, Json, GraphQLResponse];
const BY_POST: [Representation; 3] = [GraphQLResponse, EventStream, Json];

fn accept(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])
}

/// The representations that a GET and a POST get.
fn chosen(value: &'static str) -> [Option<Representation>; 2] {
    let headers = accept(value);
    [negotiate(&headers, &BY_GET), negotiate(&headers, &BY_POST)]
}

#[test]
fn a_missing_or_empty_accept_header_means_json() {
    assert_eq!(negotiate(&HeaderMap::new(), &BY_GET), Some(Json));
    assert_eq!(chosen(""), [Some(Json); 2]);
    assert_eq!(chosen("  "), [Some(Json); 2]);
}

#[test]
fn the_representation_follows_weights_then_exactness_then_preference() {
    for (value, expected) in [
        ("*/*", Json),
        ("application/*", Json),
        ("application/json", Json),
        ("application/graphql-response+json", GraphQLResponse),
        ("APPLICATION/GraphQL-Response+JSON", GraphQLResponse),
        (
            "application/json, application/graphql-response+json",
            GraphQLResponse,
        ),
        (
            "application/graphql-response+json;q=0.9, application/json",
            Json,
        ),
        (
            "application/graphql-response+json; q=0.9 , application/json; q=0.8",
            GraphQLResponse,
        ),
        (
            "application/graphql-response+json;q=0.001,application/json;q=0.002",
            Json,
        ),
        // A weight of zero excludes a type, and an exact range takes precedence over a wildcard.
        ("application/json;q=0, */*", GraphQLResponse),
        ("application/graphql-response+json;q=0.1, */*", Json),
        (
            "*/*;q=0.1, application/graphql-response+json",
            GraphQLResponse,
        ),
        ("*/*, application/graphql-response+json", GraphQLResponse),
        // The same range twice: the higher weight counts.
        (
            "application/json;q=0.1, application/json, application/graphql-response+json;q=0.5",
            Json,
        ),
        ("application/json;charset=utf-8", Json),
        ("application/json;charset=\"UTF-8\"", Json),
        (
            "application/json;charset=iso-8859-1, application/graphql-response+json;q=0.2",
            GraphQLResponse,
        ),
        ("application/json;note=\"a,b;q=0\"", Json),
        ("application/json;q=1.000", Json),
        // Invalid ranges are ignored.
        (
            "application/json;q=2, application/graphql-response+json;q=0.1",
            GraphQLResponse,
        ),
        ("nonsense, application/json", Json),
        ("application/json,", Json),
        ("text/event-stream", EventStream),
        ("text/event-stream, application/json;q=0.5", EventStream),
        // urql, Apollo, Relay's example, curl and fetch.
        (
            "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
            GraphQLResponse,
        ),
        (
            "application/graphql-response+json,application/json;q=0.9",
            GraphQLResponse,
        ),
        (
            "multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9",
            GraphQLResponse,
        ),
    ] {
        assert_eq!(chosen(value), [Some(expected); 2], "{value}");
    }
}

#[test]
fn a_browser_gets_the_page_by_get_only() {
    let browser =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
    assert_eq!(chosen(browser), [Some(Html), Some(Json)]);
    assert_eq!(chosen("text/html"), [Some(Html), None]);
    assert_eq!(chosen("text/*"), [Some(Html), Some(EventStream)]);
    assert_eq!(chosen("text/html, text/event-stream")[0], Some(EventStream));
}

#[test]
fn no_acceptable_representation_is_not_acceptable() {
    for value in [
        "application/xml",
        "image/*",
        "application/json;q=0",
        "*/*;q=0",
        "application/json;charset=utf-16",
        "application/json;q=high",
        "application/json;q=0.1234",
        "application/json;q=1.5",
        "*/json",
        "json",
        ",",
        "/",
    ] {
        assert_eq!(chosen(value), [None; 2], "{value}");
    }
}

#[test]
fn several_lines_of_a_header_are_one_list() {
    let mut headers = accept("application/json;q=0.5");
    let other = HeaderValue::from_static("application/graphql-response+json;q=0.6");
    headers.append(ACCEPT, other);
    assert_eq!(negotiate(&headers, &BY_POST), Some(GraphQLResponse));
}

#[test]
fn a_body_is_json_in_utf8_or_not_read() {
    let of = |value| {
        body_type(&HeaderMap::from_iter([(
            CONTENT_TYPE,
            HeaderValue::from_static(value),
        )]))
    };
    for json in [
        "application/json",
        "Application/JSON; Charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json ; charset=utf8;",
        "application/json; boundary=x",
    ] {
        assert_eq!(of(json), BodyType::Json, "{json}");
    }
    for other in [
        "",
        "text/plain",
        "text/plain; charset=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/graphql",
        "application/graphql-response+json",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json, text/plain",
        "application/json; charset",
        "application/jsonp",
    ] {
        assert_eq!(of(other), BodyType::Other, "{other}");
    }
    assert_eq!(body_type(&HeaderMap::new()), BodyType::Unnamed);
    let twice = [CONTENT_TYPE; 2].map(|name| (name, HeaderValue::from_static("application/json")));
    let mut headers = HeaderMap::new();
    for (name, value) in twice {
        headers.append(name, value);
    }
    assert_eq!(body_type(&headers), BodyType::Other);
}
