//! The document that each request resolves to, as whole results.

mod manifests;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;

const QUERY: &str = "{ __typename }";
/// `printf '{ __typename }' | sha256sum`
const QUERY_HASH: &str = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";
const TITLES: &str = "query Titles { articles { title } }";
const TITLES_ID: &str = "f1f8b0c3d8b5a4b2e0f9b7a1c3d5e7f90a1b2c3d";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/persisted/fixtures")
        .join(name)
}

fn open(mode: TrustedMode, manifest: &Path) -> PersistedOperations {
    PersistedOperations::open(PersistedSettings {
        automatic_bytes: 10_000,
        manifest: Some(manifest.to_owned()),
        mode,
    })
    .unwrap()
}

fn codegen(mode: TrustedMode) -> PersistedOperations {
    open(mode, &fixture("graphql-codegen.json"))
}

fn automatic(bytes: usize) -> PersistedOperations {
    PersistedOperations::automatic(bytes)
}

/// The result of a request in one line, such as `untrusted { __typename } (registers)` or `BAD_REQUEST: …`. Registers
/// the document if the result asks for it.
fn ask(operations: &PersistedOperations, request: &Value) -> String {
    match operations.resolve(&GraphQLParams::from_json(request.to_string().as_bytes()).unwrap()) {
        Ok(resolved) => {
            let trust = if resolved.is_trusted {
                "trusted"
            } else {
                "untrusted"
            };
            let registers = if resolved.register.is_some() {
                " (registers)"
            } else {
                ""
            };
            if let Some(registration) = resolved.register {
                operations.register(registration);
            }
            format!("{trust} {}{registers}", resolved.query)
        }
        Err(rejection) => {
            assert_eq!(rejection.status, StatusCode::BAD_REQUEST);
            let errors: Value = serde_json::from_slice(&rejection.errors_json()).unwrap();
            let error = &errors[0];
            let code = error["extensions"]["code"].as_str().unwrap();
            format!("{code}: {}", error["message"].as_str().unwrap())
        }
    }
}

fn hashed(hash: &str) -> Value {
    json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } })
}

fn hashed_with_text(hash: &str, query: &str) -> Value {
    let mut request = hashed(hash);
    request["query"] = json!(query);
    request
}

const NOT_FOUND: &str = "PERSISTED_QUERY_NOT_FOUND: PersistedQueryNotFound";
const NOT_TRUSTED: &str =
    "DOCUMENT_NOT_TRUSTED: only trusted documents are served here, and this is none";

#[test]
fn a_document_is_found_by_its_hash_once_it_was_registered() {
    let operations = automatic(10_000);
    assert_eq!(ask(&operations, &hashed(QUERY_HASH)), NOT_FOUND);
    assert_eq!(
        ask(&operations, &hashed_with_text(QUERY_HASH, QUERY)),
        "untrusted { __typename } (registers)"
    );
    assert_eq!(
        ask(&operations, &hashed(QUERY_HASH)),
        "untrusted { __typename }"
    );
    assert_eq!(
        ask(&operations, &hashed(&QUERY_HASH.to_uppercase())),
        "untrusted { __typename }"
    );
}

#[test]
fn an_empty_document_with_a_name_counts_as_absent() {
    let operations = automatic(10_000);
    let request = hashed_with_text(QUERY_HASH, "");
    let not_found = "PERSISTED_QUERY_NOT_FOUND: PersistedQueryNotFound";
    assert_eq!(ask(&operations, &request), not_found);
    ask(&operations, &hashed_with_text(QUERY_HASH, QUERY));
    assert_eq!(ask(&operations, &request), "untrusted { __typename }");
    assert_eq!(ask(&operations, &json!({ "query": "" })), "untrusted ");

    let operations = codegen(TrustedMode::Only);
    let request = json!({ "query": "", "documentId": TITLES_ID });
    assert_eq!(ask(&operations, &request), format!("trusted {TITLES}"));
}

#[test]
fn an_invalid_document_is_not_stored() {
    let operations = automatic(10_000);
    let request = hashed_with_text(QUERY_HASH, QUERY).to_string();
    let request = GraphQLParams::from_json(request.as_bytes()).unwrap();
    assert!(operations.resolve(&request).unwrap().register.is_some());
    assert_eq!(ask(&operations, &hashed(QUERY_HASH)), NOT_FOUND);
}

#[test]
fn a_hash_that_is_not_that_of_the_text_is_rejected() {
    let operations = automatic(10_000);
    assert_eq!(
        ask(&operations, &hashed_with_text(QUERY_HASH, "{ other }")),
        "BAD_REQUEST: provided sha does not match query"
    );
    assert_eq!(ask(&operations, &hashed(QUERY_HASH)), NOT_FOUND);
}

#[test]
fn a_malformed_extension_is_rejected() {
    let operations = automatic(10_000);
    let version = "BAD_REQUEST: `extensions.persistedQuery.version` must be 1: no other is served";
    let kind = "BAD_REQUEST: `extensions.persistedQuery.sha256Hash` must be a string";
    let digits =
        "BAD_REQUEST: `extensions.persistedQuery.sha256Hash` must be 64 hexadecimal digits";
    for (persisted_query, expected) in [
        (json!(true), version),
        (json!({ "sha256Hash": QUERY_HASH }), version),
        (json!({ "version": 2, "sha256Hash": QUERY_HASH }), version),
        (json!({ "version": "1", "sha256Hash": QUERY_HASH }), version),
        (json!({ "version": 1 }), kind),
        (json!({ "version": 1, "sha256Hash": 7 }), kind),
        (json!({ "version": 1, "sha256Hash": "abc" }), digits),
        (
            json!({ "version": 1, "sha256Hash": "g".repeat(64) }),
            digits,
        ),
        (
            json!({ "version": 1, "sha256Hash": "é".repeat(32) }),
            digits,
        ),
    ] {
        let request =
            json!({ "query": QUERY, "extensions": { "persistedQuery": persisted_query.clone() } });
        assert_eq!(ask(&operations, &request), expected, "{persisted_query}");
    }
}

#[test]
fn a_null_extension_counts_as_absent() {
    let operations = automatic(10_000);
    let extensions = json!({ "persistedQuery": null });
    let request = json!({ "query": QUERY, "extensions": extensions });
    assert_eq!(ask(&operations, &request), "untrusted { __typename }");
    let request = json!({ "extensions": extensions });
    assert_eq!(
        ask(&operations, &request),
        "BAD_REQUEST: `query` is missing"
    );
}

#[test]
fn clients_get_not_supported_when_the_cache_is_off() {
    let operations = automatic(0);
    let with_text = hashed_with_text(QUERY_HASH, QUERY);
    assert_eq!(
        ask(&operations, &with_text),
        "untrusted { __typename } (registers)"
    );
    assert_eq!(
        ask(&operations, &hashed(QUERY_HASH)),
        "PERSISTED_QUERY_NOT_FOUND: PersistedQueryNotSupported"
    );
}

#[test]
fn a_trusted_document_is_found_by_either_id_by_its_hash_and_by_its_text() {
    let trusted = format!("trusted {TITLES}");
    let digits = Sha256::digest(TITLES)
        .into_iter()
        .flat_map(|byte| [byte >> 4, byte & 15]);
    let sha256: String = digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    for mode in [TrustedMode::Prefer, TrustedMode::Only] {
        let operations = codegen(mode);
        for request in [
            json!({ "documentId": TITLES_ID }),
            json!({ "documentId": format!("sha256:{sha256}") }),
            json!({ "documentId": TITLES_ID, "query": TITLES }),
            hashed(TITLES_ID),
            hashed(&sha256),
            hashed_with_text(&sha256, TITLES),
            json!({ "query": TITLES }),
            json!({ "query": TITLES, "documentId": "unknown" }),
        ] {
            assert_eq!(ask(&operations, &request), trusted, "{request}");
        }
    }
}

#[test]
fn any_other_document_is_served_with_prefer_and_rejected_with_only() {
    let unknown_id = "PERSISTED_QUERY_NOT_FOUND: no document has this `documentId`";
    for (request, preferred) in [
        (json!({ "query": QUERY }), "untrusted { __typename }"),
        (
            json!({ "query": QUERY, "documentId": "unknown" }),
            "untrusted { __typename }",
        ),
        (json!({ "documentId": "unknown" }), unknown_id),
        (hashed(QUERY_HASH), NOT_FOUND),
        (
            hashed_with_text(QUERY_HASH, QUERY),
            "untrusted { __typename } (registers)",
        ),
    ] {
        let prefer = codegen(TrustedMode::Prefer);
        assert_eq!(ask(&prefer, &request), preferred, "{request}");
        let only = codegen(TrustedMode::Only);
        assert_eq!(ask(&only, &request), NOT_TRUSTED, "{request}");
    }
    // A text that differs by a space is another document.
    let only = codegen(TrustedMode::Only);
    let request = json!({ "query": format!("{TITLES} ") });
    assert_eq!(ask(&only, &request), NOT_TRUSTED);
}

#[test]
fn a_trusted_id_with_another_text_is_rejected() {
    let expected = "BAD_REQUEST: the text is not that of the trusted document with this id";
    for mode in [TrustedMode::Prefer, TrustedMode::Only] {
        let operations = codegen(mode);
        let request = json!({ "documentId": TITLES_ID, "query": QUERY });
        assert_eq!(ask(&operations, &request), expected);
        assert_eq!(
            ask(&operations, &hashed_with_text(TITLES_ID, QUERY)),
            expected
        );
    }
}
