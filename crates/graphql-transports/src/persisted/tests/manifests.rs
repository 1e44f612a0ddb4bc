//! The manifests of trusted documents: which formats are accepted, and when they are read.

use super::*;

#[test]
fn off_reads_no_manifest() {
    let operations = open(TrustedMode::Off, Path::new("nowhere.json"));
    operations.reload().unwrap();
    assert_eq!(
        ask(&operations, &json!({ "query": TITLES })),
        format!("untrusted {TITLES}")
    );
}

#[test]
fn the_manifest_of_every_tool_is_accepted() {
    let titles = "query TitlesQuery {\n  articles {\n    title\n  }\n}\n";
    let remove =
        "mutation RemoveMutation($id: ID!) {\n  deleteArticle(id: $id) {\n    id\n  }\n}\n";
    let apollo_titles = "query Titles {\n  articles {\n    title\n    __typename\n  }\n}";
    let apollo_remove =
        "mutation Remove($id: ID!) {\n  deleteArticle(id: $id) {\n    id\n    __typename\n  }\n}";
    let hash = "d1c1ab4a6f3b4b0f6e8a55b9f6c3e0d2a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2";
    for (file, id, text) in [
        ("graphql-codegen.json", TITLES_ID, TITLES),
        ("relay.json", "4d3a9b1f5c7e2a8061b4d9f3e5c7a921", titles),
        (
            "relay-pairs.json",
            "9c8b7a6f5e4d3c2b1a09f8e7d6c5b4a3",
            remove,
        ),
        ("apollo.json", hash, apollo_titles),
        ("apollo.json", "remove-article", apollo_remove),
    ] {
        let operations = open(TrustedMode::Only, &fixture(file));
        for request in [
            json!({ "documentId": id }),
            hashed(id),
            json!({ "query": text }),
        ] {
            assert_eq!(
                ask(&operations, &request),
                format!("trusted {text}"),
                "{file}"
            );
        }
    }
}

#[test]
fn a_byte_order_mark_before_a_manifest_is_ignored() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "\u{FEFF}{\"a\":\"{ a }\"}").unwrap();
    assert_eq!(Manifest::load(file.path()).unwrap().len(), 1);
}

#[test]
fn a_file_that_is_not_a_manifest_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manifest.json");
    let form = "PATH is not a manifest of trusted documents:";
    for (content, expected) in [
        (
            "{",
            "PATH is not valid JSON: EOF while parsing an object at line 1 column 1".to_owned(),
        ),
        ("7", format!("{form} it is neither an object nor a list")),
        (
            r#"{"a":7}"#,
            format!("{form} the document of \"a\" is not a string"),
        ),
        (
            r#"[["a","{a}"],["b"]]"#,
            format!("{form} item 1 is not a pair of id and text"),
        ),
        (
            r#"[["a","{a}"],["a","{b}"]]"#,
            format!("{form} two documents have the id \"a\""),
        ),
        (
            r#"{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}"#,
            format!("{form} the format \"apollo-persisted-query-manifest\", version 2"),
        ),
        (
            r#"{"format":"other","version":1,"operations":[]}"#,
            format!("{form} the format \"other\", version 1"),
        ),
        (
            r#"{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a"}]}"#,
            format!("{form} as Apollo's manifest: missing field `body`"),
        ),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Manifest::load(&path).unwrap_err().to_string();
        assert_eq!(error.replace(&path.display().to_string(), "PATH"), expected);
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(
        Manifest::load(&path),
        Err(ManifestError::Read(..))
    ));
}

#[test]
fn a_mode_without_a_manifest_is_an_error_at_start() {
    let opened = PersistedOperations::open(PersistedSettings {
        automatic_bytes: 0,
        manifest: None,
        mode: TrustedMode::Only,
    });
    assert!(matches!(opened, Err(ManifestError::NotNamed)));
}

#[test]
fn reloading_an_invalid_manifest_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manifest.json");
    std::fs::write(&path, r#"{"a":"{a}"}"#).unwrap();
    let operations = open(TrustedMode::Only, &path);
    let asks = || ["{a}", "{b}"].map(|text| ask(&operations, &json!({ "query": text })));
    assert_eq!(asks(), ["trusted {a}", NOT_TRUSTED]);
    std::fs::write(&path, r#"{"b":"{b}"#).unwrap();
    operations.reload().unwrap_err();
    assert_eq!(asks(), ["trusted {a}", NOT_TRUSTED]);
    std::fs::write(&path, r#"{"b":"{b}"}"#).unwrap();
    operations.reload().unwrap();
    assert_eq!(asks(), [NOT_TRUSTED, "trusted {b}"]);
}
