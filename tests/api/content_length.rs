//! `Content-Length`, which the connection writes: every response that is not streamed has one.

use reqwest::Method;
use rstest_reuse::apply;

use crate::support::{Answer, Database, client, on_both_databases, start};

#[apply(on_both_databases)]
async fn responses_that_are_not_streamed_have_a_content_length(database: Database) {
    let app = start!(database);
    for (method, path, status) in [
        (Method::GET, "/graphql?query=%7B__typename%7D", 200),
        (Method::POST, "/graphql", 415),
        (Method::PUT, "/graphql", 405),
        (Method::GET, "/schema.graphql", 200),
        (Method::GET, "/health/ready", 200),
        (Method::GET, "/nothing", 404),
    ] {
        let request = |method| client().request(method, app.url(path));
        let answer = Answer::to(request(method.clone()).body("text")).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), length, "{method} {path}");
        if method == Method::GET {
            let head = Answer::to(request(Method::HEAD)).await;
            assert_eq!(head.header("content-length"), length, "HEAD {path}");
        }
    }
}
