//! What all paths have in common: `Host`, and the responses for unknown paths and unsupported methods.

use reqwest::Method;
use rstest_reuse::apply;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, Database, TestApp, assert_answer, client, on_both_databases, start};

#[apply(on_both_databases)]
async fn the_list_is_also_served_without_the_trailing_slash(database: Database) {
    let app = start!(database);
    app.database.fill(3, 10).await;
    let with = app.get("/api/v1/articles/").await;
    let without = app.get("/api/v1/articles").await;
    assert_eq!((without.status, without.body), (200, with.body));
}

#[apply(on_both_databases)]
async fn an_unknown_path_is_not_found(database: Database) {
    let app = start!(database, "--introspection=false");
    assert_answer!(app.get("/graphq").await, @r#"
    404
    {
      "errors": [
        {
          "message": "there is nothing at this path; GraphQL is served at /graphql",
          "extensions": {
            "code": "BAD_REQUEST"
          }
        }
      ]
    }
    "#);
    let expected = app.get("/graphq").await.body;
    for path in [
        "/api",
        "/api/v1/articles/1",
        "/graphql/",
        "/graphiql/0/a.js",
        "/graphiql/%FF/a.js",
        "/schema.graphql",
        "/favicon.png",
        "//",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            if method != Method::GET && (path == "/schema.graphql" || path.starts_with("/graphiql"))
            {
                continue;
            }
            let request = client().request(method.clone(), app.url(path));
            let answer = Answer::to(request.body("{}")).await;
            assert_eq!(
                (answer.status, &answer.body),
                (404, &expected),
                "{method} {path}"
            );
            assert_eq!(
                answer.header("content-type"),
                "application/json; charset=utf-8"
            );
        }
    }
}

#[apply(on_both_databases)]
async fn an_unsupported_method_is_rejected_with_the_supported_ones(database: Database) {
    let app = start!(database);
    let post = client().post(app.url("/api/v1/articles")).json(&json!({}));
    let answer = Answer::to(post).await;
    assert_eq!(answer.header("allow"), "GET,HEAD");
    assert_answer!(answer, @r#"
    405
    {
      "errors": [
        {
          "message": "this method is not supported at this path; the header Allow lists those that are",
          "extensions": {
            "code": "BAD_REQUEST"
          }
        }
      ]
    }
    "#);
    for path in [
        "/",
        "/api/v1/articles/",
        "/schema.graphql",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/graphiql/0/a.js",
    ] {
        let answer = Answer::to(client().put(app.url(path))).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.header("allow"), "GET,HEAD", "{path}");
        assert_eq!(answer.code(), "BAD_REQUEST", "{path}");
    }
}

#[apply(on_both_databases)]
async fn a_request_must_have_one_host(database: Database) {
    let app = start!(database);
    let missing = "a request of HTTP/1.1 must have the header Host";
    let several = "a request must have the header Host once, but it has several";
    let invalid = "the header Host must be a host, with or without a port";
    for (version, hosts, rejected) in [
        ("1.1", "Host: localhost\r\n", None),
        ("1.1", "HOST: [::1]:80\r\n", None),
        ("1.0", "", None),
        ("1.1", "", Some(missing)),
        ("1.1", "Host: a\r\nHost: a\r\n", Some(several)),
        ("1.1", "Host: a\r\nhost: b\r\n", Some(several)),
        ("1.0", "Host: a\r\nHost: b\r\n", Some(several)),
        ("1.1", "Host: a b\r\n", Some(invalid)),
        ("1.1", "Host: user@a\r\n", Some(invalid)),
    ] {
        for target in [
            "/graphql?query=%7B__typename%7D",
            "/health/live",
            "/nothing",
        ] {
            let head = format!("GET {target} HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
            let answer = raw(&app, head.as_bytes()).await;
            match rejected {
                None => assert!(
                    !answer.contains(" 400 ") && !answer.contains(" 421 "),
                    "{head}{answer}"
                ),
                Some(message) => {
                    assert!(answer.contains(" 400 Bad Request\r\n"), "{head}{answer}");
                    let body = format!(
                        r#"{{"errors":[{{"message":"{message}","extensions":{{"code":"BAD_REQUEST"}}}}]}}"#
                    );
                    assert!(answer.ends_with(&body), "{head}{answer}");
                }
            }
        }
    }
}

#[apply(on_both_databases)]
async fn the_rejection_of_a_large_body_reaches_its_sender(database: Database) {
    let app = start!(database);
    let body = vec![b' '; 4 * 1024 * 1024];
    for (path, status) in [
        ("/graphql", "413 Payload Too Large"),
        ("/nothing", "404 Not Found"),
        ("/api/v1/articles/", "405 Method Not Allowed"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), &body].concat();
        let answers = (0..8).map(|_| raw(&app, &request));
        for answer in futures_util::future::join_all(answers).await {
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
                "{answer}"
            );
            assert!(answer.contains(r#""code":"BAD_REQUEST""#), "{answer}");
        }
    }
}

/// Sends the whole request, and only then reads the response, until the connection ends.
async fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
