//! The limit on a caller's cost per minute. With 10 per minute, one unit is refilled after 6 seconds, which is longer
//! than each of these tests takes.

use reqwest::RequestBuilder;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{HERE, THERE, about_limits, client_from, connect, exceeded, status_of};
use crate::admission::Tokens;
use crate::socket::Socket;
use crate::support::{Answer, Database, TestApp, article, assert_answer, on_both_databases, start};

const TEN: &str = "--cost-per-minute=10";

/// The query costs 1, and the request costs 1.
const QUERY: &str = "{ __typename }";

fn post(app: &TestApp, from: &str, query: &str) -> RequestBuilder {
    let request = client_from(from).post(app.url("/graphql"));
    request.json(&json!({ "query": query }))
}

fn get(app: &TestApp, from: &str) -> RequestBuilder {
    client_from(from).get(app.url("/graphql?query=%7B%20__typename%20%7D"))
}

fn events(request: RequestBuilder) -> RequestBuilder {
    request.header("accept", "text/event-stream")
}

/// Whether it was rejected because of its cost, with a time to retry after.
fn is_spent(answer: &Answer) -> bool {
    let is_spent = answer.status == 429;
    if is_spent {
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=12).contains(&wait), "{answer}");
        assert!(answer.header("ratelimit").starts_with("\"cost\";r="));
        assert_eq!(answer.header("ratelimit-policy"), "\"cost\";q=10;w=60");
        assert_eq!(answer.code(), "RATE_LIMITED");
    }
    is_spent
}

#[apply(on_both_databases)]
async fn a_cost_over_the_remaining_budget_is_rejected_on_every_transport(database: Database) {
    let app = start!(database, TEN);
    let requests = [
        post(&app, "127.0.0.2", QUERY),
        get(&app, "127.0.0.3"),
        events(post(&app, "127.0.0.4", QUERY)),
        events(get(&app, "127.0.0.5")),
    ];
    for request in requests {
        let first = Answer::to(request.try_clone().unwrap()).await;
        assert_eq!(first.status, 200);
        assert_eq!(first.header("ratelimit"), "\"cost\";r=8;t=12");
        assert_eq!(first.header("ratelimit-policy"), "\"cost\";q=10;w=60");
        for _ in 0..4 {
            let next = Answer::to(request.try_clone().unwrap()).await;
            assert_eq!(next.status, 200);
        }
        let last = Answer::to(request).await;
        assert!(is_spent(&last), "{last}");
    }
    let mut socket = Socket::ready(&app.address.to_string()).await;
    for id in 0..6 {
        socket.subscribe(&id.to_string(), QUERY).await;
        let answer = socket.receive().await;
        if id < 5 {
            assert_eq!(
                answer["payload"],
                json!({ "data": { "__typename": "Query" } })
            );
            assert_eq!(socket.receive().await["type"], "complete");
        } else {
            assert_eq!(answer["payload"][0]["extensions"]["code"], "RATE_LIMITED");
        }
    }
    socket.is_heard().await;
    assert_eq!(exceeded(&app, "cost_per_minute").await, 5);
    for path in ["/health/live", "/health/ready", "/metrics"] {
        let answer = Answer::to(client_from("127.0.0.2").get(app.url(path))).await;
        assert_ne!(answer.status, 429, "{path}");
    }
}

#[apply(on_both_databases)]
async fn a_cost_over_the_limit_is_rejected_and_not_executed(database: Database) {
    let app = start!(database, TEN);
    let too_costly = post(&app, HERE, "{ articles(limit: 20) { id } }");
    assert_answer!(about_limits(&Answer::to(too_costly).await), @r#"
    429
    retry-after: 60
    ratelimit: "cost";r=10;t=0
    ratelimit-policy: "cost";q=10;w=60
    {"errors":[{"message":"this costs 21, but a caller may spend 10 per minute: request less at a time","extensions":{"code":"RATE_LIMITED"}}]}
    "#);
    // A mutation costs one per row.
    let create = |count: usize| {
        let inputs: Vec<_> = (0..count)
            .map(|number| json!({ "title": format!("{number}"), "text": "" }))
            .collect();
        let query = "mutation ($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { slug } }";
        let body = json!({ "query": query, "variables": { "inputs": inputs } });
        client_from(THERE).post(app.url("/graphql")).json(&body)
    };
    assert_eq!(Answer::to(create(10)).await.status, 429);
    assert_eq!(Answer::to(create(5)).await.status, 200);
    let list = client_from("127.0.0.3").get(app.url("/api/v1/articles"));
    let list = Answer::to(list).await;
    assert_eq!((list.status, list.code()), (429, "RATE_LIMITED".to_owned()));
}

#[apply(on_both_databases)]
async fn budgets_are_per_address_or_per_token_on_any_address(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, TEN, &tokens.flag());
    let spend_all = async |from: &str, authorization: Option<&str>| {
        for count in 0..6 {
            let mut request = post(&app, from, QUERY);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            if is_spent(&Answer::to(request).await) {
                return count;
            }
        }
        6
    };
    let [reader, writer] = ["reader", "writer"].map(|name| tokens.bearer(name));
    assert_eq!(spend_all(HERE, None).await, 5);
    assert_eq!(spend_all(THERE, None).await, 5);
    assert_eq!(spend_all(HERE, Some(&reader)).await, 5);
    assert_eq!(spend_all(THERE, Some(&reader)).await, 0);
    assert_eq!(spend_all(HERE, Some(&writer)).await, 5);
    // Callers that are not admitted are rejected for that reason, and spend nothing.
    let broken = post(&app, HERE, QUERY).header("authorization", "Bearer broken");
    assert_eq!(Answer::to(broken).await.status, 401);
}

#[apply(on_both_databases)]
async fn every_request_costs_something(database: Database) {
    let app = start!(database, TEN);
    let mut statuses = Vec::new();
    for _ in 0..11 {
        let answer = Answer::to(post(&app, HERE, "{")).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..10], [200; 10]);
    assert_eq!(statuses[10], 429);
    // The server does not wait for the rest of the body.
    let mut stream = connect(HERE, app.address).await;
    let head = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";
    stream.write_all(head).await.unwrap();
    assert_eq!(status_of(&mut stream).await, Some(429));
}

#[apply(on_both_databases)]
async fn the_list_of_all_articles_costs_what_its_articles_have(database: Database) {
    let app = start!(database, "--cost-per-minute=20");
    for title in ["a", "b", "c"] {
        app.store
            .create_article(article(title, None, None))
            .await
            .unwrap();
    }
    let list = || client_from(HERE).get(app.url("/api/v1/articles/"));
    let first = Answer::to(list()).await;
    assert_eq!(first.json().as_array().map(Vec::len), Some(3));
    assert_eq!(Answer::to(list()).await.status, 429);
    // The schema costs as much as a request.
    let schema = client_from(HERE).get(app.url("/schema.graphql"));
    let schema = Answer::to(schema).await;
    assert_eq!(schema.status, 200);
    assert!(schema.headers.contains_key("ratelimit"));
}

#[apply(on_both_databases)]
async fn measure_mode_counts_exceeded_budgets_and_rejects_nothing(database: Database) {
    let app = start!(database, TEN, "--limits-mode=measure");
    for _ in 0..7 {
        let answer = Answer::to(post(&app, HERE, QUERY)).await;
        let expected: Value = json!({ "data": { "__typename": "Query" } });
        assert_eq!(answer.json(), expected);
    }
    assert!(exceeded(&app, "cost_per_minute").await >= 2);
}
