//! A read that begins after a write was acknowledged sees it, although equal reads share an execution, lookups share a
//! statement, and writes on SQLite share a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use futures_util::future::{join, join_all};
use rstest_reuse::apply;
use serde_json::json;

use crate::support::{Database, TestApp, on_both_databases, start};

const WRITERS: usize = 4;
const WRITES: usize = 250;
const READERS: usize = 32;

/// The queries that readers share: a lookup, a page with a count, a plain list.
const SHARED: [(&str, &str); 3] = [
    (
        r#"{ article(by: { slug: "counted" }) { version } }"#,
        "/article/version",
    ),
    (
        r#"{ articlesConnection(first: 1, filter: { slug: { eq: "counted" } }) { nodes { version } totalCount } }"#,
        "/articlesConnection/nodes/0/version",
    ),
    (
        "{ articles(limit: 1, orderBy: SLUG_ASC) { version } }",
        "/articles/0/version",
    ),
];

#[apply(on_both_databases)]
async fn a_read_sees_every_write_that_was_acknowledged_before_it_began(database: Database) {
    let app = Arc::new(start!(database));
    let created = app
        .create(json!({ "title": "counted", "text": "" }))
        .await
        .json();
    let id = created["data"]["createArticle"]["id"].as_str().unwrap();
    let acknowledged = AtomicI64::new(1);
    let done = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    let writers = async {
        join_all((0..WRITERS).map(|_| write(&app, id, &acknowledged))).await;
        done.store(true, Ordering::SeqCst);
    };
    let readers =
        join_all((0..READERS).map(|reader| read(&app, reader, &acknowledged, &done, &reads)));
    join(writers, readers).await;
    assert_eq!(
        acknowledged.into_inner(),
        i64::try_from(WRITERS * WRITES).unwrap() + 1
    );
    let reads = reads.into_inner();
    assert!(reads > 2_000, "too few reads to tell: {reads}");
}

async fn write(app: &TestApp, id: &str, acknowledged: &AtomicI64) {
    let query =
        r#"mutation ($id: ID!) { updateArticle(id: $id, input: { text: "x" }) { version } }"#;
    for _ in 0..WRITES {
        let answer = app
            .graphql(&json!({ "query": query, "variables": { "id": id } }))
            .await
            .json();
        let version = answer["data"]["updateArticle"]["version"].as_i64().unwrap();
        acknowledged.fetch_max(version, Ordering::SeqCst);
    }
}

async fn read(
    app: &TestApp,
    reader: usize,
    acknowledged: &AtomicI64,
    done: &AtomicBool,
    reads: &AtomicUsize,
) {
    // The others use different documents, so that only their lookups are batched.
    let own = format!("{{ r{reader}: article(by: {{ slug: \"counted\" }}) {{ version }} }}");
    let own_version = format!("/r{reader}/version");
    let shared = SHARED.get(reader % (2 * SHARED.len())).copied();
    let (query, version) = shared.unwrap_or((&own, &own_version));
    while !done.load(Ordering::SeqCst) {
        let before = acknowledged.load(Ordering::SeqCst);
        let answer = app.query(query).await.json();
        let seen = answer["data"].pointer(version).unwrap().as_i64().unwrap();
        assert!(
            seen >= before,
            "{query}: saw {seen}, {before} was acknowledged"
        );
        reads.fetch_add(1, Ordering::SeqCst);
    }
}
