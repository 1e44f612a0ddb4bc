//! In which order operations that wait for a permit are executed, and which of them are rejected.

use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{HERE, about_limits, client_from, metric};
use crate::support::{Answer, Database, TestApp, assert_answer, on_both_databases, start};

/// One operation at a time, and a place for each other of the 60 that two connections allow.
macro_rules! start_one_at_a_time {
    ($database:expr) => {
        start!(
            $database,
            "--max-concurrent-operations=1",
            "--db-max-size=2",
            "--operation-wait=10m",
            "--db-lock-timeout=10m",
            "--db-statement-timeout=10m",
            "--request-timeout=10m"
        )
    };
}

const IN_ORDER: usize = 59;

/// Twenty for each operation that is executed.
const OVERFLOW: usize = 20;

fn send(app: &TestApp, query: &str) -> JoinHandle<Answer> {
    let request = client_from(HERE).post(app.url("/graphql"));
    tokio::spawn(Answer::to(request.json(&json!({ "query": query }))))
}

/// Creates an article whose slug will tell how many were created before.
fn create(app: &TestApp) -> JoinHandle<Answer> {
    send(
        app,
        r#"mutation { createArticle(input: { title: "a", text: "" }) { slug } }"#,
    )
}

async fn until(app: &TestApp, what: &str, kind: &str, count: usize) {
    let name = format!("operations_{what}{{type=\"{kind}\"}}");
    while metric(app, &name).await != count as u64 {}
}

/// Creates of which the first is executed until the lock is dropped, and the others wait in the order in which they
/// were sent.
async fn creates(app: &TestApp, count: usize) -> Vec<JoinHandle<Answer>> {
    let mut creates = vec![create(app)];
    until(app, "running", "mutation", 1).await;
    for waiting in 1..count {
        creates.push(create(app));
        until(app, "waiting", "mutation", waiting).await;
    }
    creates
}

/// The slugs of what was created, in the order in which it was sent.
async fn slugs(creates: Vec<JoinHandle<Answer>>) -> Vec<Value> {
    let mut slugs = Vec::new();
    for create in creates {
        slugs.push(create.await.unwrap().json()["data"]["createArticle"]["slug"].clone());
    }
    slugs
}

/// The slugs of as many articles, in the order in which they were created.
fn numbered(count: usize) -> Vec<Value> {
    (1..=count)
        .map(|number| match number {
            1 => json!("a"),
            number => json!(format!("a-{number}")),
        })
        .collect()
}

#[apply(on_both_databases)]
async fn operations_of_the_overflow_follow_those_in_the_queue(database: Database) {
    let app = start_one_at_a_time!(database);
    let lock = app.database.lock_writes().await;
    let count = 1 + IN_ORDER + 3;
    let creates = creates(&app, count).await;
    drop(lock);
    assert_eq!(slugs(creates).await, numbered(count));
}

#[apply(on_both_databases)]
async fn operations_that_are_late_are_executed_after_the_overload_the_newest_first(
    database: Database,
) {
    let app = start_one_at_a_time!(database);
    let lock = app.database.lock_writes().await;
    let mut creates = creates(&app, 1 + IN_ORDER + 2).await;
    for create in creates.drain(1..=IN_ORDER) {
        create.abort();
    }
    until(&app, "waiting", "mutation", 2).await;
    // There is room in the queue again, and the one that gets it arrived after those in the overflow.
    creates.push(create(&app));
    until(&app, "waiting", "mutation", 3).await;
    drop(lock);
    assert_eq!(slugs(creates).await, ["a", "a-4", "a-3", "a-2"]);
}

#[apply(on_both_databases)]
async fn the_oldest_operation_of_the_overflow_gets_503_immediately_when_there_are_too_many(
    database: Database,
) {
    let app = start_one_at_a_time!(database);
    let lock = app.database.lock_writes().await;
    let count = 1 + IN_ORDER + OVERFLOW;
    let mut creates = creates(&app, count).await;
    creates.push(create(&app));
    let oldest = creates.remove(1 + IN_ORDER).await.unwrap();
    assert_answer!(about_limits(&oldest), @r#"
    503
    retry-after: 1
    {"errors":[{"message":"the server is overloaded at the moment; try again later","extensions":{"code":"UNAVAILABLE"}}]}
    "#);
    until(&app, "waiting", "mutation", count - 1).await;
    drop(lock);
    let mut slugs = slugs(creates).await;
    slugs.sort_by_key(|slug| slug.as_str().map(|slug| (slug.len(), slug.to_owned())));
    assert_eq!(slugs, numbered(count));
}

/// Of 250 that arrive at once, 60 have a place, and equal ones are among those that have none.
#[apply(on_both_databases)]
async fn all_queries_of_a_burst_are_served(database: Database) {
    let app = start!(
        database,
        "--max-concurrent-operations=10",
        "--db-max-size=2",
        "--operation-wait=10m"
    );
    let queries = (0..250).map(async |number| {
        let slug = format!("a-{}", number % 100);
        let query = format!("{{ article(by: {{ slug: \"{slug}\" }}) {{ id }} }}");
        app.query(&query).await
    });
    for answer in futures_util::future::join_all(queries).await {
        assert_eq!(answer.body, r#"{"data":{"article":null}}"#);
    }
    until(&app, "waiting", "query", 0).await;
    let shed = metric(&app, "operations_shed_total{type=\"query\"}").await;
    assert_eq!(shed, 0);
}

/// Reads can be blocked on PostgreSQL only.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_query_in_the_overflow_does_not_hold_back_equal_ones_that_arrive_later() {
    let app = start_one_at_a_time!(Database::Postgres);
    let lock = app.database.lock_reads().await;
    let query = |number: usize| format!("{{ article(by: {{ slug: \"{number}\" }}) {{ id }} }}");
    let running = send(&app, &query(0));
    until(&app, "running", "query", 1).await;
    let mut queue = Vec::new();
    for number in 1..=IN_ORDER {
        queue.push(send(&app, &query(number)));
        until(&app, "waiting", "query", number).await;
    }
    let overflow = send(&app, &query(100));
    until(&app, "waiting", "query", IN_ORDER + 1).await;
    for query in queue {
        query.abort();
    }
    until(&app, "waiting", "query", 1).await;
    // It has a place of its own; if it had joined the one in the overflow, only that one would wait.
    let equal = send(&app, &query(100));
    until(&app, "waiting", "query", 2).await;
    drop(lock);
    for answer in [running, overflow, equal] {
        assert_eq!(answer.await.unwrap().body, r#"{"data":{"article":null}}"#);
    }
}
