//! What callers share: cached requests, persisted queries, cached responses, joined executions. Each is shared only
//! among callers who may see it.

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{QUERY, Tokens};
use crate::support::{Answer, Database, TestApp, assert_answer, client, on_both_databases, start};

fn post(app: &TestApp, authorization: Option<&str>, body: &Value) -> RequestBuilder {
    with(client().post(app.url("/graphql")).json(body), authorization)
}

fn with(request: RequestBuilder, authorization: Option<&str>) -> RequestBuilder {
    match authorization {
        None => request,
        Some(value) => request.header("authorization", value),
    }
}

async fn status(request: RequestBuilder) -> u16 {
    Answer::to(request).await.status
}

#[apply(on_both_databases)]
async fn cached_requests_are_not_shared_with_anonymous_callers(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag(), "--anonymous-reads=false");
    let body = json!({ "query": QUERY });
    let reader = tokens.bearer("reader");
    for _ in 0..4 {
        assert_eq!(status(post(&app, Some(&reader), &body)).await, 200);
        assert_eq!(status(post(&app, None, &body)).await, 401);
        let broken = Some("Bearer broken");
        assert_eq!(status(post(&app, broken, &body)).await, 401);
        let idle = tokens.bearer("idle");
        assert_eq!(status(post(&app, Some(&idle), &body)).await, 403);
    }
    // The body is in the cache, but a caller who may only write is still rejected.
    let app = start!(
        database,
        &tokens.flag(),
        "--anonymous-reads=false",
        "--anonymous-writes=true",
    );
    for _ in 0..4 {
        assert_eq!(status(post(&app, Some(&reader), &body)).await, 200);
        assert_eq!(status(post(&app, None, &body)).await, 401);
    }
}

#[apply(on_both_databases)]
async fn not_modified_is_only_for_callers_who_may_read(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag(), "--anonymous-reads=false");
    let get = || app.request("/graphql?query=%7B%20articles%20%7B%20id%20%7D%20%7D");
    let [reader, writer] = ["reader", "writer"].map(|name| tokens.bearer(name));
    let answer = Answer::to(with(get(), Some(&reader))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    let tag = answer.header("etag").to_owned();
    let known =
        |authorization: Option<&str>| with(get().header("if-none-match", &tag), authorization);
    assert_eq!(status(known(Some(&writer))).await, 304);
    for (authorization, expected) in [
        (None, 401),
        (Some("Bearer broken".to_owned()), 401),
        (Some(tokens.bearer("expired")), 401),
        (Some(tokens.bearer("idle")), 403),
    ] {
        let answer = Answer::to(known(authorization.as_deref())).await;
        assert_eq!(answer.status, expected);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.headers.contains_key("etag"));
    }
    let any = with(get().header("if-none-match", "*"), None);
    assert_eq!(status(any).await, 401);
}

#[apply(on_both_databases)]
async fn shared_caches_separate_anonymous_callers_from_tokens(database: Database) {
    let tokens = Tokens::new();
    let cached = "--cache-control=public, max-age=5";
    let app = start!(database, &tokens.flag(), cached);
    let reader = tokens.bearer("reader");
    let get = || app.request("/graphql?query=%7B__typename%7D");
    for (authorization, expected) in [
        (None, (200, "public, max-age=5")),
        (Some(reader.as_str()), (200, "private, no-cache")),
        (Some("Bearer broken"), (401, "no-store")),
    ] {
        let answer = Answer::to(with(get(), authorization)).await;
        assert_eq!((answer.status, answer.header("cache-control")), expected);
        if answer.status == 200 {
            let varies: Vec<_> = answer.headers.get_all("vary").iter().collect();
            assert_eq!(varies, ["authorization", "accept"]);
        }
    }
    for path in ["/api/v1/articles/", "/schema.graphql"] {
        let answer = Answer::to(with(app.request(path), Some(&reader))).await;
        assert_eq!(answer.header("cache-control"), "private, no-cache");
        assert_eq!(answer.header("vary"), "authorization");
        let answer = Answer::to(app.request(path)).await;
        assert!(!answer.headers.contains_key("cache-control"));
        let answer = Answer::to(with(app.request(path), Some("Bearer broken"))).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[apply(on_both_databases)]
async fn a_document_is_registered_only_by_callers_who_may_execute_it(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag(), "--anonymous-reads=false");
    let mutation = r#"mutation { createArticle(input: { title: "a", text: "" }) { slug } }"#;
    let hash = sha256(mutation);
    let named = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
    let mut sent = named.clone();
    sent["query"] = json!(mutation);
    let [reader, writer] = ["reader", "writer"].map(|name| tokens.bearer(name));
    for (authorization, code) in [
        (None, "UNAUTHENTICATED"),
        (Some(reader.as_str()), "FORBIDDEN"),
    ] {
        let answer = Answer::to(post(&app, authorization, &sent)).await;
        assert_eq!(answer.code(), code);
    }
    let answer = Answer::to(post(&app, Some(&writer), &named)).await;
    assert_eq!(answer.code(), "PERSISTED_QUERY_NOT_FOUND");
    let answer = Answer::to(post(&app, Some(&writer), &sent)).await;
    assert_answer!(answer.body, @r#"{"data":{"createArticle":{"slug":"a"}}}"#);
    for (authorization, code) in [
        (None, "UNAUTHENTICATED"),
        (Some(reader.as_str()), "FORBIDDEN"),
    ] {
        let answer = Answer::to(post(&app, authorization, &named)).await;
        assert_eq!(answer.code(), code);
    }
    // Only the writer has created any.
    let list = Answer::to(with(app.request("/api/v1/articles/"), Some(&reader))).await;
    assert_eq!(list.json().as_array().unwrap().len(), 1);
}

fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

#[apply(on_both_databases)]
async fn trusted_documents_are_executed_only_for_permitted_callers(database: Database) {
    let tokens = Tokens::new();
    let manifest = tempfile::NamedTempFile::new().unwrap();
    let documents = json!({
        "read": QUERY,
        "write": r#"mutation { createArticle(input: { title: "a", text: "" }) { slug } }"#,
    });
    std::fs::write(manifest.path(), documents.to_string()).unwrap();
    let manifest = format!("--trusted-documents={}", manifest.path().display());
    let app = start!(
        database,
        &tokens.flag(),
        &manifest,
        "--trusted-documents-mode=only",
        "--anonymous-reads=false",
    );
    for (authorization, reads, writes) in [
        (None, 401, 401),
        (Some(tokens.bearer("reader")), 200, 403),
        (Some(tokens.bearer("writer")), 200, 200),
    ] {
        for (id, expected) in [("read", reads), ("write", writes)] {
            let body = json!({ "documentId": id });
            let request = post(&app, authorization.as_deref(), &body);
            assert_eq!(status(request).await, expected, "{id}");
        }
    }
}

#[apply(on_both_databases)]
async fn an_anonymous_caller_does_not_join_the_execution_of_a_reader(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag(), "--anonymous-reads=false");
    let body = json!({ "query": "{ articlesConnection { totalCount } }" });
    let reader = tokens.bearer("reader");
    let ask = async |authorization: Option<&str>| {
        let answer = Answer::to(post(&app, authorization, &body)).await;
        (answer.status, answer.body.contains("totalCount"))
    };
    for _ in 0..5 {
        let readers = join_all((0..8).map(|_| ask(Some(&reader))));
        let strangers = join_all((0..8).map(|_| ask(None)));
        let (readers, strangers) = futures_util::join!(readers, strangers);
        assert_eq!(readers, [(200, true); 8]);
        assert_eq!(strangers, [(401, false); 8]);
    }
}

#[apply(on_both_databases)]
async fn an_idempotency_key_belongs_to_its_caller(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag(), "--anonymous-writes=true");
    let mutation = r#"mutation { createArticle(input: { title: "a", text: "" }) { slug } }"#;
    let body = json!({ "query": mutation });
    let [reader, writer] = ["reader", "writer"].map(|name| tokens.bearer(name));
    let mut slugs = Vec::new();
    for authorization in [None, Some(writer.as_str()), None, Some(writer.as_str())] {
        let request = post(&app, authorization, &body).header("idempotency-key", "one");
        let answer = Answer::to(request).await;
        let slug = answer.json()["data"]["createArticle"]["slug"].clone();
        slugs.push((slug, answer.headers.contains_key("idempotency-replayed")));
    }
    let expected = [("a", false), ("a-2", false), ("a", true), ("a-2", true)];
    assert_eq!(
        slugs,
        expected.map(|(slug, replayed)| (json!(slug), replayed))
    );
    // The result of a writer is not returned to callers who may not write.
    let request = post(&app, Some(&reader), &body).header("idempotency-key", "one");
    assert_eq!(status(request).await, 403);
}
