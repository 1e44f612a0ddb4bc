//! Trusted documents, as the whole program serves them. `server/persisted` tests what each name stands for.

use serde_json::{Value, json};

use crate::program::Program;
use crate::support::client;

/// Bodies that come again and again are remembered, but not what names stand for, nor who is trusted.
#[tokio::test]
async fn a_manifest_that_is_read_again_counts_for_requests_that_came_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manifest.json");
    let write = |manifest: Value| std::fs::write(&path, manifest.to_string()).unwrap();
    let (kind, list) = ("{ __typename }", "{ articles { id } }");
    for (mode, afterwards) in [("only", "DOCUMENT_NOT_TRUSTED"), ("prefer", "Query")] {
        write(json!({ "a": kind }));
        let flags = [
            format!("--trusted-documents={}", path.display()),
            format!("--trusted-documents-mode={mode}"),
        ];
        let mut program =
            Program::start("sqlite::memory:", &flags.each_ref().map(String::as_str)).await;
        for _ in 0..4 {
            assert_eq!(ask(&program, json!({ "documentId": "a" })).await, "Query");
            assert_eq!(ask(&program, json!({ "query": kind })).await, "Query");
        }
        write(json!({ "a": list }));
        program.signal("HUP");
        program.logged("read the trusted documents again").await;
        assert_eq!(ask(&program, json!({ "documentId": "a" })).await, "[]");
        assert_eq!(ask(&program, json!({ "query": kind })).await, afterwards);
    }
}

/// The only field of the answer, or the code of its only error.
async fn ask(program: &Program, body: Value) -> String {
    let request = client().post(program.url("/graphql")).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let shown = match answer["data"].as_object() {
        Some(data) => data.values().next().unwrap(),
        None => &answer["errors"][0]["extensions"]["code"],
    };
    shown
        .as_str()
        .map_or_else(|| shown.to_string(), str::to_owned)
}
