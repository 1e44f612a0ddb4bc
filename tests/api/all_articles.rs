//! `GET /api/v1/articles/`: every article, streamed.

use futures_util::StreamExt as _;
use rstest_reuse::apply;
use serde_json::Value;

use crate::program::Program;
use crate::support::{Answer, Database, article, assert_answer, client, on_both_databases, start};

#[apply(on_both_databases)]
async fn an_article_that_was_created_is_in_the_list(database: Database) {
    let app = start!(database);
    let new = article("Été à la plage", None, Some("2020-02-29T12:00:00+02:00"));
    app.store.create_article(new).await.unwrap();
    let answer = app.get("/api/v1/articles/").await;
    assert_answer!(answer, @r#"
    [
      {
        "id": "019c1363-49c0-7000-8000-000000000001",
        "title": "Été à la plage",
        "slug": "ete-a-la-plage",
        "text": "About Été à la plage.",
        "created_at": "2020-02-29T10:00:00.000000Z"
      }
    ]
    "#);
    assert_eq!(answer.header("content-type"), "application/json");
}

#[apply(on_both_databases)]
async fn without_articles_the_list_is_empty(database: Database) {
    let app = start!(database);
    assert_eq!(app.get("/api/v1/articles/").await.body, "[]\n");
}

#[apply(on_both_databases)]
async fn a_list_of_many_batches_is_complete_and_in_order(database: Database) {
    let app = start!(database);
    for (there, more) in [(499, 499), (500, 1), (501, 1), (1_500, 999)] {
        fill_up(&app, more, there).await;
        let articles = app.get("/api/v1/articles/").await.json();
        let articles = articles.as_array().unwrap();
        assert_eq!(articles.len(), there);
        let key = |article: &Value| {
            let text = |field: &str| article[field].as_str().unwrap().to_owned();
            (text("created_at"), text("id"))
        };
        assert!(articles.is_sorted_by(|a, b| key(a) > key(b)));
    }
}

/// Adds articles until there are `total`.
async fn fill_up(app: &crate::support::TestApp, more: usize, total: usize) {
    app.database.execute("DELETE FROM article").await;
    app.database.fill(total, more).await;
}

#[apply(on_both_databases)]
async fn a_list_that_fails_midway_is_cut_off(database: Database) {
    let app = start!(database);
    // More than the buffers between server and client hold.
    app.database.fill(5_000, 10_000).await;
    let response = app.request("/api/v1/articles/").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut chunks = response.bytes_stream();
    chunks.next().await.unwrap().unwrap();
    app.database.execute("DROP TABLE article").await;
    let mut last = None;
    while let Some(chunk) = chunks.next().await {
        last = Some(chunk);
    }
    assert!(matches!(last, Some(Err(_))), "the answer ended well");
    assert_eq!(app.get("/health/live").await.status, 200);
}

#[apply(on_both_databases)]
async fn a_list_that_fails_at_first_is_an_error(database: Database) {
    let app = start!(database);
    app.database.execute("DROP TABLE article").await;
    let request = app.request("/api/v1/articles/");
    let request = request.header("x-request-id", "find-me");
    assert_answer!(Answer::to(request).await, @r#"
    500
    {
      "errors": [
        {
          "message": "something went wrong on our side; tell us the request id",
          "extensions": {
            "code": "INTERNAL",
            "requestId": "find-me"
          }
        }
      ]
    }
    "#);
}

#[apply(on_both_databases)]
async fn a_slow_client_holds_no_connection(database: Database) {
    let app = start!(database, "--db-max-size=1", "--db-wait-timeout=2s");
    app.database.fill(5_000, 10_000).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut chunks = app
            .request("/api/v1/articles/")
            .send()
            .await
            .unwrap()
            .bytes_stream();
        chunks.next().await.unwrap().unwrap();
        slow.push(chunks);
    }
    let answer = app.query("{ articles(limit: 1) { version } }").await;
    assert_eq!(answer.body, r#"{"data":{"articles":[{"version":1}]}}"#);
}

#[apply(on_both_databases)]
async fn a_hundred_thousand_articles_take_little_memory(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let program = Program::start(&database.url, &[]).await;
    database.fill(100_000, 200).await;
    let url = program.url("/api/v1/articles/");
    // Memory that the first requests allocate once does not count.
    let warm_up = Answer::to(client().get(program.url("/health/ready"))).await;
    assert_eq!(warm_up.status, 200);
    let before = program.memory("VmRSS");
    let mut articles = 0;
    let mut chunks = client().get(url).send().await.unwrap().bytes_stream();
    while let Some(chunk) = chunks.next().await {
        // Each article contains it once, and no title or text does.
        let chunk = chunk.unwrap();
        articles += chunk.split(|byte| *byte == b'{').count() - 1;
    }
    let after = program.memory("VmHWM");
    assert_eq!(articles, 100_000);
    let grown = after.saturating_sub(before);
    assert!(grown < 20_000_000, "grew by {grown} bytes from {before}");
}
