//! Equal queries that fail together share the failure, but each response has its own request id.

use std::collections::BTreeSet;
use std::time::Duration;

use broadsheet::api::{Api, ApiSettings, ExecutionResult, ResponseBody};
use broadsheet::error::ErrorCode;
use broadsheet::feed::Feed;
use futures_util::future::join_all;
use graphql_guard::json::ObjectText;
use rstest_reuse::apply;
use serde_json::Value;

use crate::in_process::in_process;
use crate::support::{Database, on_both_databases};

const QUERY: &str = r#"{ article(by: { slug: "a" }) { title } }"#;

/// Sends this number of equal requests concurrently; the request ids are the numbers.
async fn ask(api: &Api, count: usize) -> Vec<ExecutionResult> {
    let operation = api.prepare(QUERY, None, &ObjectText::default()).unwrap();
    let sent_requests = (0..count).map(|number| {
        let operation = &operation;
        async move { api.execute(operation, &number.to_string()).await }
    });
    let executed = join_all(sent_requests).await.into_iter();
    executed.map(|executed| executed.result).collect()
}

#[apply(on_both_databases)]
async fn a_failure_is_shared_and_each_response_has_its_own_request_id(database: Database) {
    let app = in_process!(database);
    app.direct.run("DROP TABLE article").await;
    let answers = ask(&app.api, 200).await;
    let mut ids = BTreeSet::new();
    for answer in answers {
        let ExecutionResult::Response(ResponseBody {
            json,
            has_errors: true,
            ..
        }) = answer
        else {
            panic!("{answer:?}");
        };
        let body: Value = serde_json::from_slice(&json).unwrap();
        let extensions = &body["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "INTERNAL");
        ids.insert(extensions["requestId"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 200);
    // Each execution makes one lookup, and all executions are shared.
    let lookups = app.store.shared_lookups();
    let reads = app.api.shared_reads();
    assert_eq!(lookups.executions + lookups.joins, reads.executions);
    assert_eq!(reads.executions + reads.joins, 200);
    assert!(reads.executions < 100, "{reads:?}");
}

/// Only PostgreSQL has a lock that readers wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn queries_that_wait_for_one_that_takes_too_long_fail_with_it() {
    let app = in_process!(Database::Postgres);
    let settings = ApiSettings {
        query_timeout: Duration::from_millis(500),
        ..ApiSettings::default()
    };
    let feed = Feed::start(app.store.clone(), Duration::from_hours(1));
    let api = Api::new(app.store.clone(), feed, settings).unwrap();
    app.direct
        .run("BEGIN; LOCK TABLE article IN ACCESS EXCLUSIVE MODE")
        .await;
    for answer in ask(&api, 200).await {
        let ExecutionResult::Unavailable(errors) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(errors[0].code, ErrorCode::TIMEOUT);
    }
    let lookups = app.store.shared_lookups();
    assert!(lookups.executions + lookups.joins <= 2, "{lookups:?}");
    app.direct.run("ROLLBACK").await;
    let recovered = ask(&api, 1).await;
    let is_clean = matches!(&recovered[..], [ExecutionResult::Response(body)] if !body.has_errors);
    assert!(is_clean, "{recovered:?}");
}
