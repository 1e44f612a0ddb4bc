//! `Idempotency-Key`: with it a mutation is executed once, however often a client sends it.
//!
//! Over HTTP it is a header, on WebSockets `extensions.idempotencyKey`; HTTP accepts either. The request is identified
//! by the document, the operation's name and the variables, in any order. It has no effect on queries and
//! subscriptions.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use graphql_guard::json::{self, ObjectText};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::engine::KeyedRequest;
use super::operation::{Caller, GraphQLParams, Transport};
use super::rejection::Rejection;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header of a response that was sent before.
pub(super) const REPLAYED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("idempotency-replayed"),
    HeaderValue::from_static("true"),
);

/// The maximum length of a key, in characters.
const MAX_CHARS: usize = 255;

/// The key with which a mutation is executed once; `None` where the request has no key, or `@skip` leaves no mutation
/// to execute. `query` is its document, `headers` those of the operation itself, `identity` identifies its caller.
///
/// # Errors
/// The key is invalid, or the operation has several mutations.
pub(super) fn keyed_request(
    params: &GraphQLParams,
    query: &str,
    mutations: usize,
    headers: Option<&HeaderMap>,
    identity: [Option<&str>; 3],
) -> Result<Option<KeyedRequest>, Rejection> {
    let Some(key) = key(params, headers)? else {
        return Ok(None);
    };
    match mutations {
        0 => return Ok(None),
        1 => {}
        _ => {
            return Err(bad_request(
                "an operation with an idempotency key may have one mutation, because each is a transaction of its own; \
                 send the others with keys of their own, or use a mutation that takes a list",
            ));
        }
    }
    Ok(Some(KeyedRequest {
        key: digest_of_key(identity, &key),
        request: digest_of_request(query, params.operation_name.as_deref(), &params.variables),
    }))
}

/// The headers that may contain the key: a WebSocket has only those of its handshake, which belong to no operation.
pub(super) fn headers<A>(caller: &Caller<A>, transport: Transport) -> Option<&HeaderMap> {
    (transport != Transport::WebSocket).then_some(&caller.headers)
}

fn key(params: &GraphQLParams, headers: Option<&HeaderMap>) -> Result<Option<String>, Rejection> {
    let from_header = headers.map_or(Ok(None), header)?;
    let from_extensions = extension(&params.extensions)?;
    match (from_header, from_extensions) {
        (Some(one), Some(other)) if one != other => Err(bad_request(
            "the header Idempotency-Key and extensions.idempotencyKey give different keys",
        )),
        (one, other) => Ok(one.or(other)),
    }
}

fn header(headers: &HeaderMap) -> Result<Option<String>, Rejection> {
    let mut given = headers.get_all(KEY).into_iter();
    let Some(first) = given.next() else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(bad_request("the header Idempotency-Key is given twice"));
    }
    checked("the header Idempotency-Key", first.as_bytes()).map(Some)
}

fn extension(extensions: &ObjectText) -> Result<Option<String>, Rejection> {
    const NAME: &str = "extensions.idempotencyKey";
    let given = extensions.get("idempotencyKey");
    let Some(value) = given.filter(|value| !json::is_null(value)) else {
        return Ok(None);
    };
    match json::string(value) {
        Ok(Some(text)) => checked(NAME, text.as_bytes()).map(Some),
        _ => Err(bad_request(&format!("{NAME} must be a string"))),
    }
}

/// Only printable characters, because these pass any proxy in a header.
fn checked(name: &str, key: &[u8]) -> Result<String, Rejection> {
    let is_printable = key
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    match str::from_utf8(key) {
        Ok(key) if is_printable && (1..=MAX_CHARS).contains(&key.len()) => Ok(key.to_owned()),
        _ => Err(bad_request(&format!(
            "{name} must have 1 to {MAX_CHARS} printable ASCII characters; a random UUID is a good key"
        ))),
    }
}

fn bad_request(message: &str) -> Rejection {
    Rejection::bad_request(StatusCode::BAD_REQUEST, message)
}

fn digest_of_key([kind, issuer, name]: [Option<&str>; 3], key: &str) -> [u8; 32] {
    digest([kind, issuer, name, Some(key)])
}

fn digest_of_request(
    query: &str,
    operation_name: Option<&str>,
    variables: &ObjectText,
) -> [u8; 32] {
    // Parsed, so that neither the order of members nor whitespace matters.
    let read: Result<Value, _> = serde_json::from_str(variables.as_str());
    let variables = read.map_or_else(|_| variables.as_str().to_owned(), |read| read.to_string());
    digest([Some(query), operation_name, Some(&variables)])
}

/// Hashes the parts with their lengths, so that different lists of parts never hash the same bytes.
fn digest<const N: usize>(parts: [Option<&str>; N]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        let bytes = part.map_or(u64::MAX, |part| part.len() as u64);
        hash.update(bytes.to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use axum::http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn found(
        headers: &[&str],
        extensions: &Value,
        transport: Transport,
    ) -> Result<Option<String>, String> {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(KEY, HeaderValue::from_str(value).unwrap());
        }
        let caller = Caller::<()> {
            headers: map,
            ..Caller::default()
        };
        let params = GraphQLParams {
            extensions: extensions.as_object().unwrap().into(),
            ..GraphQLParams::default()
        };
        let headers = super::headers(&caller, transport);
        key(&params, headers).map_err(|rejection| rejection.message().to_owned())
    }

    #[test]
    fn a_key_is_in_the_header_or_in_the_extensions() {
        let given = json!({ "idempotencyKey": "a" });
        let (none, http) = (json!({}), Transport::HttpPost);
        let a = || Ok(Some("a".to_owned()));
        assert_eq!(found(&["a"], &none, http), a());
        assert_eq!(found(&[], &given, http), a());
        assert_eq!(found(&["a"], &given, http), a());
        assert_eq!(found(&[], &none, http), Ok(None));
        assert_eq!(
            found(&[], &json!({ "idempotencyKey": null }), http),
            Ok(None)
        );
        assert_eq!(found(&["b"], &given, Transport::WebSocket), a());
        assert_eq!(found(&["b"], &none, Transport::WebSocket), Ok(None));
        let differ = "the header Idempotency-Key and extensions.idempotencyKey give different keys";
        assert_eq!(found(&["b"], &given, http), Err(differ.to_owned()));
        let twice = "the header Idempotency-Key is given twice";
        assert_eq!(found(&["a", "a"], &none, http), Err(twice.to_owned()));
    }

    #[test]
    fn a_key_has_1_to_255_printable_characters() {
        let longest = "x".repeat(255);
        let transport = Transport::WebSocket;
        for allowed in ["a", "\"8e03978e-40d5-43dd\"", " ~", &longest] {
            let given = json!({ "idempotencyKey": allowed });
            assert_eq!(found(&[], &given, transport), Ok(Some(allowed.to_owned())));
        }
        let too_long = "x".repeat(256);
        for rejected in ["", "\t", "a\n", "\u{7f}", "é", "\u{0}", &too_long] {
            let error = found(&[], &json!({ "idempotencyKey": rejected }), transport).unwrap_err();
            assert!(
                error.contains("1 to 255 printable"),
                "{rejected:?}: {error}"
            );
        }
        for rejected in [json!(1), json!({}), json!([]), json!(true)] {
            let error = found(&[], &json!({ "idempotencyKey": rejected }), transport);
            let expected = "extensions.idempotencyKey must be a string";
            assert_eq!(error, Err(expected.to_owned()));
        }
    }

    #[test]
    fn callers_do_not_share_keys() {
        let subject = |issuer, name| [Some("subject"), issuer, Some(name)];
        let token = |name| [Some("token"), None, Some(name)];
        let identities = [
            [None; 3],
            [Some("anonymous"), None, Some("")],
            token("a"),
            token("b"),
            token(""),
            subject(None, "a"),
            subject(Some(""), "a"),
            subject(Some("a"), ""),
        ];
        let digests: HashSet<_> = identities
            .iter()
            .flat_map(|identity| ["k", "ak"].map(|key| digest_of_key(*identity, key)))
            .collect();
        assert_eq!(digests.len(), 2 * identities.len());
    }

    #[test]
    fn the_order_of_variables_does_not_change_the_request() {
        let text = |json: &str| {
            let raw = serde_json::value::RawValue::from_string(json.to_owned()).unwrap();
            ObjectText::new(&raw).unwrap()
        };
        let of = |query, name, variables| digest_of_request(query, name, &text(variables));
        let reference = of("q", None, r#"{"a":1,"b":{"c":"é","d":null}}"#);
        assert_eq!(
            reference,
            of("q", None, r#"{ "b": {"d": null, "c": "\u00e9"}, "a": 1 }"#)
        );
        for other in [
            of("r", None, r#"{"a":1,"b":{"c":"é","d":null}}"#),
            of("q", Some("q"), r#"{"a":1,"b":{"c":"é","d":null}}"#),
            of("q", None, r#"{"a":2,"b":{"c":"é","d":null}}"#),
            of("q", None, r#"{"a":1,"b":{"c":"é"}}"#),
        ] {
            assert_ne!(reference, other);
        }
    }
}
