//! Which rejection wins if several apply: the list in `docs/http.md`.

use reqwest::{Method, RequestBuilder};
use rstest_reuse::apply;
use serde_json::json;

use super::{MUTATION, QUERY, SUBSCRIPTION, Tokens};
use crate::support::{Answer, Database, TestApp, client, on_both_databases, start};

const JSON: (&str, &str) = ("content-type", "application/json");

fn post(app: &TestApp, query: &str) -> RequestBuilder {
    post_body(app, json!({ "query": query }).to_string())
}

fn post_body(app: &TestApp, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = client().post(app.url("/graphql"));
    request.header(JSON.0, JSON.1).body(body)
}

fn get(app: &TestApp, query: &str) -> RequestBuilder {
    let query =
        percent_encoding::percent_encode(query.as_bytes(), percent_encoding::NON_ALPHANUMERIC);
    app.request(&format!("/graphql?query={query}"))
}

/// The status and the code.
async fn status_and_code(request: RequestBuilder) -> String {
    let answer = Answer::to(request).await;
    format!("{} {}", answer.status, answer.code())
}

#[apply(on_both_databases)]
async fn the_first_applicable_rejection_wins(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag(), "--max-body-bytes=1000");
    let large = vec![b' '; 1_001];
    let named = |hash: &str| {
        let persisted = json!({ "version": 1, "sha256Hash": hash });
        json!({ "extensions": { "persistedQuery": persisted } }).to_string()
    };
    let unknown = named(&"0".repeat(64));
    let deep = format!("mutation {{ {} }}", "[".repeat(100));
    let put = || client().request(Method::PUT, app.url("/graphql"));
    let elsewhere = ("host", "evil.example");
    let no_type = ("accept", "image/png");

    let cases = [
        // The request, and its rejection with an invalid token, as a reader, and as a writer.
        (
            "host",
            get(&app, QUERY).header(elsewhere.0, elsewhere.1),
            ["421 BAD_REQUEST"; 3],
        ),
        ("path", app.request("/nothing"), ["404 BAD_REQUEST"; 3]),
        ("method", put(), ["405 BAD_REQUEST"; 3]),
        (
            "accept",
            get(&app, QUERY).header(no_type.0, no_type.1),
            ["406 BAD_REQUEST"; 3],
        ),
        (
            "media type",
            client().post(app.url("/graphql")).body("a=b"),
            ["401 UNAUTHENTICATED", "415 BAD_REQUEST", "415 BAD_REQUEST"],
        ),
        (
            "large",
            post_body(&app, large),
            ["401 UNAUTHENTICATED", "413 BAD_REQUEST", "413 BAD_REQUEST"],
        ),
        (
            "no JSON",
            post_body(&app, "{"),
            ["401 UNAUTHENTICATED", "400 BAD_REQUEST", "400 BAD_REQUEST"],
        ),
        (
            "no parameters",
            app.request("/graphql?query="),
            [
                "401 UNAUTHENTICATED",
                "200 GRAPHQL_PARSE_FAILED",
                "200 GRAPHQL_PARSE_FAILED",
            ],
        ),
        (
            "hash",
            post_body(&app, unknown),
            [
                "401 UNAUTHENTICATED",
                "200 PERSISTED_QUERY_NOT_FOUND",
                "200 PERSISTED_QUERY_NOT_FOUND",
            ],
        ),
        (
            "parse",
            post(&app, "mutation {"),
            [
                "401 UNAUTHENTICATED",
                "200 GRAPHQL_PARSE_FAILED",
                "200 GRAPHQL_PARSE_FAILED",
            ],
        ),
        (
            "limits",
            post(&app, &deep),
            ["401 UNAUTHENTICATED", "200 TOO_COMPLEX", "200 TOO_COMPLEX"],
        ),
        (
            "mutation by GET",
            get(&app, MUTATION),
            ["401 UNAUTHENTICATED", "403 FORBIDDEN", "405 BAD_REQUEST"],
        ),
        (
            "subscription by POST",
            post(&app, SUBSCRIPTION),
            ["401 UNAUTHENTICATED", "400 BAD_REQUEST", "400 BAD_REQUEST"],
        ),
        (
            "conditions",
            get(&app, "{ nothing }").header("if-none-match", "*"),
            [
                "401 UNAUTHENTICATED",
                "200 GRAPHQL_VALIDATION_FAILED",
                "200 GRAPHQL_VALIDATION_FAILED",
            ],
        ),
    ];
    let credentials = [
        "Bearer broken".to_owned(),
        tokens.bearer("reader"),
        tokens.bearer("writer"),
    ];
    for (name, request, expected) in cases {
        for (credential, expected) in credentials.iter().zip(expected) {
            let request = request.try_clone().unwrap();
            let seen = status_and_code(request.header("authorization", credential)).await;
            assert_eq!(seen, expected, "{name} with {credential}");
        }
    }
}

#[apply(on_both_databases)]
async fn public_paths_ignore_tokens(database: Database) {
    let tokens = Tokens::new();
    let flags = ["--anonymous-reads=false", "--anonymous-writes=false"];
    let app = start!(database, &tokens.flag(), flags[0], flags[1]);
    for path in ["/health/live", "/health/ready", "/metrics", "/graphql"] {
        for authorization in [None, Some("Bearer broken")] {
            let mut request = app.request(path).header("accept", "text/html");
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            assert_eq!(Answer::to(request).await.status, 200, "{path}");
        }
    }
    let preflight = client().request(Method::OPTIONS, app.url("/graphql"));
    assert_eq!(Answer::to(preflight).await.status, 204);
}

#[apply(on_both_databases)]
async fn an_exhausted_budget_is_rejected_after_admission_and_before_the_body(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag(), "--cost-per-minute=10");
    let with =
        |request: RequestBuilder, name: &str| request.header("authorization", tokens.bearer(name));
    let large = format!("{{ articles(limit: 100) {{ {} }} }}", "id ".repeat(100));
    for (name, request, expected) in [
        ("scope before cost", post(&app, MUTATION), "403 FORBIDDEN"),
        (
            "cost before execution",
            post(&app, &large),
            "429 RATE_LIMITED",
        ),
        (
            "limits before cost",
            post(&app, &"{ a".repeat(100)),
            "200 TOO_COMPLEX",
        ),
    ] {
        assert_eq!(
            status_and_code(with(request, "reader")).await,
            expected,
            "{name}"
        );
    }
    // A mutation that this transport does not allow costs only its request.
    for _ in 0..3 {
        assert_eq!(
            status_and_code(with(get(&app, MUTATION), "writer")).await,
            "405 BAD_REQUEST"
        );
    }
    for _ in 0..20 {
        let _ = status_and_code(with(post_body(&app, "{"), "reader")).await;
    }
    for (name, request, expected) in [
        (
            "media type",
            client().post(app.url("/graphql")).body("a=b"),
            "429 RATE_LIMITED",
        ),
        ("no JSON", post_body(&app, "{"), "429 RATE_LIMITED"),
        ("scope", post(&app, MUTATION), "429 RATE_LIMITED"),
        (
            "method",
            client().put(app.url("/graphql")),
            "405 BAD_REQUEST",
        ),
        (
            "host",
            get(&app, QUERY).header("host", "evil.example"),
            "421 BAD_REQUEST",
        ),
    ] {
        assert_eq!(
            status_and_code(with(request, "reader")).await,
            expected,
            "{name}"
        );
    }
    assert_eq!(
        status_and_code(with(get(&app, QUERY), "expired")).await,
        "401 UNAUTHENTICATED"
    );
    assert_eq!(
        status_and_code(with(get(&app, QUERY), "idle")).await,
        "403 FORBIDDEN"
    );
}
