//! Trusted documents in the whole program. The tests of `persisted` check to which document each name resolves.

use serde_json::{Value, json};

use crate::program::Program;
use crate::support::client;

/// Repeated bodies are cached, but neither which document a name stands for, nor which documents are trusted.
#[tokio::test]
async fn a_reloaded_manifest_applies_to_cached_requests() {
    let (kind, list) = ("{ __typename }", "{ articles { id } }");
    let hash = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";
    let named = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let both = json!({ "query": kind, "extensions": named });
    let by_hash = json!({ "extensions": named });
    let by_id = json!({ "documentId": "a" });
    let by_text = json!({ "query": kind });
    let with_new_id = json!({ "query": kind, "documentId": "b" });

    let after = json!({ "a": list, "b": list, hash: list });
    let only = [
        (&by_id, "Query", "[]"),
        (&by_text, "Query", "DOCUMENT_NOT_TRUSTED"),
    ];
    reload("only", &json!({ "a": kind }), &after, &only).await;
    let prefer = [
        (&by_id, "Query", "[]"),
        (&by_text, "Query", "Query"),
        (&both, "Query", "BAD_REQUEST"),
        (&by_hash, "Query", "[]"),
        (&with_new_id, "Query", "BAD_REQUEST"),
    ];
    // Neither manifest contains its text.
    let before = json!({ "a": "query A { __typename }" });
    reload("prefer", &before, &after, &prefer).await;
}

/// Sends each request several times, replaces the manifest, and sends them again.
async fn reload(mode: &str, before: &Value, after: &Value, requests: &[(&Value, &str, &str)]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manifest.json");
    let write = |manifest: &Value| std::fs::write(&path, manifest.to_string()).unwrap();
    write(before);
    let file = format!("--trusted-documents={}", path.display());
    let mode = format!("--trusted-documents-mode={mode}");
    let mut program = Program::start("sqlite::memory:", &[&file, &mode]).await;
    for (request, expected, _) in requests {
        for _ in 0..4 {
            assert_eq!(ask(&program, request).await, *expected, "{request}");
        }
    }
    write(after);
    program.signal("HUP");
    program.logged("read the trusted documents again").await;
    for (request, _, expected) in requests {
        assert_eq!(ask(&program, request).await, *expected, "{request}");
    }
}

/// The only field of the response, or the code of its only error.
async fn ask(program: &Program, body: &Value) -> String {
    let request = client().post(program.url("/graphql")).json(body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let shown = match answer["data"].as_object() {
        Some(data) => data.values().next().unwrap(),
        None => &answer["errors"][0]["extensions"]["code"],
    };
    shown
        .as_str()
        .map_or_else(|| shown.to_string(), str::to_owned)
}
