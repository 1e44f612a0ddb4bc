//! A read is cancelled when its time limit is exceeded, soon after its client has disconnected, and when the program
//! stops.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::program::Program;
use crate::support::{
    Answer, Database, OwnDatabase, TestApp, assert_answer, client, on_both_databases, start,
};

/// A request that searches all texts for this number of substrings, none of which occurs.
fn slow_request(parts: usize) -> Value {
    let parts: Vec<Value> = (0..parts)
        .map(|part| json!({ "text": { "contains": format!("{part} is nowhere") } }))
        .collect();
    json!({
        "query": "query($filter: ArticleFilter) { articles(filter: $filter) { id } }",
        "variables": { "filter": { "or": parts } },
    })
}

/// Inserts articles whose texts repeat `words`.
async fn fill_with_words(database: &OwnDatabase, count: usize, words: &str, times: usize) {
    let sql = match database.url.starts_with("sqlite:") {
        true => format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
             INSERT INTO article (id, title, slug, text)
             SELECT randomblob(16), 'Article ' || n, 'article-' || n,
                 replace(printf('%.*c', {times}, 'x'), 'x', '{words}') FROM numbers"
        ),
        false => format!(
            "INSERT INTO article (id, title, slug, text)
             SELECT gen_random_uuid(), 'Article ' || n, 'article-' || n, repeat('{words}', {times})
             FROM generate_series(1, {count}) n"
        ),
    };
    database.execute(&sql).await;
}

#[apply(on_both_databases)]
async fn a_list_over_the_statement_timeout_is_ended(database: Database) {
    let app = start!(database, "--db-statement-timeout=300ms");
    app.database.fill(150, 90_000).await;
    let began = Instant::now();
    let answer = app.graphql(&slow_request(99)).await;
    assert_answer!(answer, @r#"
    503
    {
      "errors": [
        {
          "message": "the request took too long; try again later, or ask for less",
          "locations": [
            {
              "line": 1,
              "column": 33
            }
          ],
          "path": [
            "articles"
          ],
          "extensions": {
            "code": "TIMEOUT"
          }
        }
      ]
    }
    "#);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_of_sqlite_that_may_read_many_rows_has_the_limit() {
    let filters = [
        json!({ "title": { "ne": "x" } }),
        json!({ "title": { "contains": "nowhere" } }),
        json!({ "title": { "startsWith": "nowhere" } }),
        json!({ "slug": { "endsWith": "nowhere" } }),
        json!({ "createdAt": { "gt": "2000-01-01T00:00:00Z" } }),
        json!({ "not": { "slug": { "in": ["a", "b"] } } }),
        json!({ "search": "article" }),
        json!({ "search": "-nowhere" }),
        json!({ "or": [{ "search": "article" }, { "title": { "eq": "x" } }] }),
    ];
    let Some(database) = Database::Sqlite.migrated().await else {
        return;
    };
    drop(database.open(&[]).await.unwrap());
    database.fill(30_000, 1).await;
    let app = TestApp::start_on(&database, &["--db-statement-timeout=1ms"]).await;
    app.indexed().await;
    for filter in filters {
        let query =
            "query($filter: ArticleFilter) { articlesConnection(filter: $filter) { totalCount } }";
        let answer = app
            .graphql(&json!({ "query": query, "variables": { "filter": filter } }))
            .await;
        assert_eq!(answer.code(), "TIMEOUT", "{filter}: {answer}");
    }
    for list in [
        "{ articles(offset: 29999) { id } }",
        r#"{ articles(filter: { search: "article" }, orderBy: RELEVANCE) { id } }"#,
        r#"{ articles(filter: { title: { ne: "x" } }, orderBy: SLUG_ASC, offset: 29999) { id } }"#,
    ] {
        let answer = app.query(list).await;
        assert_eq!(answer.code(), "TIMEOUT", "{list}: {answer}");
    }
    // Reads of few rows are not affected.
    let answer = app
        .query(r#"{ article(by: { slug: "article-7" }) { title } }"#)
        .await;
    assert_eq!(answer.body, r#"{"data":{"article":{"title":"Article 7"}}}"#);
}

#[apply(on_both_databases)]
async fn repeated_words_in_a_search_cost_nothing_more(database: Database) {
    let app = start!(database);
    fill_with_words(&app.database, 60, "word text ", 9_000).await;
    app.indexed().await;
    let search = vec!["word text"; 500].join(" or ");
    let query = "query($search: String!) \
        { articles(filter: { search: $search }, orderBy: RELEVANCE, limit: 100) { slug } }";
    let began = Instant::now();
    let answer = app
        .graphql(&json!({ "query": query, "variables": { "search": search } }))
        .await;
    let found = answer.json()["data"]["articles"].as_array().map(Vec::len);
    assert_eq!(found, Some(60), "{answer}");
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_of_many_words_over_long_texts_times_out_on_sqlite() {
    let app = start!(Database::Sqlite, "--db-statement-timeout=500ms");
    fill_with_words(&app.database, 40, "a b ", 25_000).await;
    app.indexed().await;
    let words: Vec<String> = (0..190)
        .map(|number| format!("a b c{number} or b a"))
        .collect();
    let phrases: Vec<String> = (1..43)
        .map(|words| format!("\"{}\"", "a b ".repeat(words)))
        .collect();
    let long = "a b ".repeat(499);
    let searches = [
        words.join(" or "),
        phrases[..20].join(" or "),
        phrases[..20].join(" "),
        format!("\"{long}\""),
        format!("\"{long} nowhere\""),
        format!("\"{long} b a\""),
        format!("-\"{long}\""),
    ];
    for order in ["RELEVANCE", "CREATED_AT_DESC"] {
        let query = format!(
            "query($search: String!) {{ articlesConnection(filter: {{ search: $search }}, orderBy: {order}) \
             {{ totalCount nodes {{ slug }} }} }}"
        );
        for search in &searches {
            let began = Instant::now();
            let answer = app
                .graphql(&json!({ "query": query, "variables": { "search": search } }))
                .await;
            let code = answer.code();
            let search = &search[..40];
            assert!(
                code.is_empty() || code == "TIMEOUT",
                "{order}, {search}: {answer}"
            );
            let took = began.elapsed();
            assert!(took < Duration::from_secs(3), "{order}, {search}: {took:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_reads_release_the_connections_of_sqlite() {
    let app = start!(
        Database::Sqlite,
        "--db-max-size=2",
        "--db-statement-timeout=10min"
    );
    app.database.fill(400, 90_000).await;
    // Two different requests, because equal ones would share a statement.
    let given_up = [98, 99].map(|parts| {
        let request = slow_request(parts);
        let app = &app;
        async move { timeout(Duration::from_millis(500), app.graphql(&request)).await }
    });
    for answer in join_all(given_up).await {
        assert!(answer.is_err(), "the machine is too fast: {answer:?}");
    }
    // A client that has only closed its sending side looks the same at first, so the server waits two seconds before
    // it considers it disconnected.
    let began = Instant::now();
    let answer = app.query("{ articles(limit: 1) { slug } }").await;
    assert_eq!(answer.code(), "", "{answer}");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

#[apply(on_both_databases)]
async fn the_program_exits_soon_after_stop_timeout(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    drop(own.open(&[]).await.unwrap());
    own.fill(400, 90_000).await;
    let flags = [
        "--stop-timeout=1s",
        "--db-statement-timeout=10min",
        "--db-lock-timeout=10min",
        "--request-timeout=10min",
    ];
    let program = Program::start(&own.url, &flags).await;
    // On PostgreSQL a lock makes the list slow.
    let _lock = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(own.lock_reads().await),
    };
    let url = program.url("/graphql");
    let asked = tokio::spawn(async move {
        let request = client().post(url).json(&slow_request(99)).send();
        request.await.map(|response| response.status())
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!asked.is_finished(), "the machine is too fast");
    let began = Instant::now();
    program.signal("TERM");
    let (status, log) = program.end().await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}\n{log}");
    assert_eq!(status.code(), Some(3), "{log}");
    assert_answer!(log.lines().last().unwrap(), @"broadsheet: stopped with requests still under way after STOP_TIMEOUT");
    assert!(asked.await.unwrap().is_err(), "it was answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_within_the_timeout_is_complete() {
    let app = start!(Database::Sqlite, "--db-statement-timeout=0s");
    app.database.fill(2_000, 1).await;
    let count =
        "{ articlesConnection(filter: { title: { startsWith: \"article 1\" } }) { totalCount } }";
    let answer: Answer = app.query(count).await;
    assert_answer!(answer, @r#"
    {
      "data": {
        "articlesConnection": {
          "totalCount": 1111
        }
      }
    }
    "#);
}
