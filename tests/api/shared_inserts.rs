//! Creates that arrive at the same time share a statement on PostgreSQL, and each has the result that it would have
//! had alone. A lock delays the first statements until the other creates are waiting.

use std::collections::BTreeMap;
use std::time::Duration;

use broadsheet::error::Error;
use futures_util::future::{join, join_all, join3};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};

use crate::in_process::{Direct, InProcess, in_process};
use crate::support::{Answer, Database, TestApp, article, assert_answer};

const CREATE: &str =
    "mutation($input: CreateArticleInput!) { createArticle(input: $input) { slug version } }";

/// Blocks writes of articles until the transaction of the connection ends.
const LOCK: &str = "BEGIN; LOCK TABLE article IN SHARE MODE";

/// Creates articles while the lock is held: they wait behind two other statements, then the lock is released.
async fn create_at_once(app: &InProcess, inputs: &[Value]) -> Vec<Value> {
    app.direct.run(LOCK).await;
    let under_way = two_under_way(app).await;
    let creates = inputs
        .iter()
        .map(|input| app.ask_with(CREATE, json!({ "input": input })));
    let unlock = async {
        gathered().await;
        app.direct.run("ROLLBACK").await;
    };
    let (answers, (), ()) = join3(join_all(creates), under_way, unlock).await;
    answers
}

/// Starts two creates whose statements wait for the lock. Two is the maximum number of concurrent statements.
async fn two_under_way(app: &InProcess) -> impl Future<Output = ()> {
    let begin = |title| Box::pin(app.store.create_article(article(title, None, None)));
    let (mut one, mut other) = (begin("one"), begin("other"));
    assert!((&mut one).now_or_never().is_none());
    gathered().await;
    assert!((&mut other).now_or_never().is_none());
    gathered().await;
    async {
        one.await.unwrap();
        other.await.unwrap();
    }
}

/// Waits until the concurrent callers can make no further progress.
async fn gathered() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// The number of transactions that created the existing articles.
async fn transactions(direct: &Direct) -> i64 {
    let Direct::Postgres(client) = direct else {
        panic!("it is PostgreSQL");
    };
    let count = "SELECT count(DISTINCT xmin::text) FROM article";
    client.query_one(count, &[]).await.unwrap().get(0)
}

/// The distinct responses, each with its number of occurrences.
fn counted(answers: &[Value]) -> String {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.to_string()).or_insert(0) += 1;
    }
    let lines = counts
        .into_iter()
        .map(|(answer, count)| format!("{count} × {answer}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn inputs(titles: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Value> {
    titles
        .into_iter()
        .map(|title| json!({ "title": title.as_ref(), "text": "" }))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn each_create_of_a_shared_statement_gets_its_own_result() {
    let app = in_process!(Database::Postgres);
    app.data(
        CREATE,
        json!({ "input": { "title": "there", "slug": "there", "text": "" } }),
    )
    .await;
    let mut all = inputs((0..40).map(|number| format!("Article {number}")));
    all.extend(inputs(["same title"; 3]));
    all.push(json!({ "title": "x", "slug": "there", "text": "" }));
    all.push(json!({ "title": "x", "slug": "given", "text": "" }));
    all.push(json!({ "title": "y", "slug": "given", "text": "" }));
    all.push(json!({ "title": "", "text": "" }));
    // A word has too many positions for a single row, so this article is created alone.
    all.push(json!({ "title": "long", "text": "the x ".repeat(300) }));
    let answers = create_at_once(&app, &all).await;
    for (number, answer) in answers[..40].iter().enumerate() {
        let expected = json!({ "slug": format!("article-{number}"), "version": 1 });
        assert_eq!(answer["data"]["createArticle"], expected);
    }
    assert_answer!(counted(&answers[40..]), @r#"
    1 × {"data":{"createArticle":null},"errors":[{"extensions":{"code":"BAD_USER_INPUT","field":"input.title"},"locations":[{"column":41,"line":1}],"message":"title must have 1 to 65 characters, but it is empty","path":["createArticle"]}]}
    1 × {"data":{"createArticle":null},"errors":[{"extensions":{"code":"SLUG_TAKEN","field":"input.slug"},"locations":[{"column":41,"line":1}],"message":"the slug \"given\" belongs to another article","path":["createArticle"]}]}
    1 × {"data":{"createArticle":null},"errors":[{"extensions":{"code":"SLUG_TAKEN","field":"input.slug"},"locations":[{"column":41,"line":1}],"message":"the slug \"there\" belongs to another article","path":["createArticle"]}]}
    1 × {"data":{"createArticle":{"slug":"given","version":1}}}
    1 × {"data":{"createArticle":{"slug":"long","version":1}}}
    1 × {"data":{"createArticle":{"slug":"same-title","version":1}}}
    1 × {"data":{"createArticle":{"slug":"same-title-2","version":1}}}
    1 × {"data":{"createArticle":{"slug":"same-title-3","version":1}}}
    "#);
    assert_eq!(app.database.count("article").await, 48);
    assert_eq!(app.database.count("article_change").await, 48);
    // The first article, the two under way, the long one, two with numbers, and one transaction for all others.
    assert_eq!(transactions(&app.direct).await, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn an_error_of_a_shared_statement_affects_only_its_article() {
    let app = in_process!(Database::Postgres);
    app.direct.run(REFUSE).await;
    let titles = (0..20).map(|number| match number {
        13 => "rejected".to_owned(),
        number => format!("Article {number}"),
    });
    let answers = create_at_once(&app, &inputs(titles)).await;
    for (number, answer) in answers.iter().enumerate().filter(|(it, _)| *it != 13) {
        let expected = json!({ "slug": format!("article-{number}"), "version": 1 });
        assert_eq!(answer["data"]["createArticle"], expected);
    }
    assert_answer!(answers[13], @r#"{"data":{"createArticle":null},"errors":[{"extensions":{"code":"INTERNAL","requestId":"the-request-id"},"locations":[{"column":41,"line":1}],"message":"something went wrong on our side; tell us the request id","path":["createArticle"]}]}"#);
    assert_eq!(app.database.count("article").await, 21);
}

/// A constraint of another program: no article may have the title "rejected".
const REFUSE: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'it is rejected'; END
    $$;
    CREATE TRIGGER refuse BEFORE INSERT ON article
    FOR EACH ROW WHEN (NEW.title = 'rejected') EXECUTE FUNCTION refuse()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_create_that_waits_for_a_slug_delays_no_other() {
    let app = in_process!(Database::Postgres);
    // Another program has taken the slug, and may still roll back.
    app.direct
        .run("BEGIN; INSERT INTO article (id, title, slug, text) VALUES (gen_random_uuid(), 'x', 'awaited', '')")
        .await;
    app.direct
        .run("SAVEPOINT gathering; LOCK TABLE article IN SHARE MODE")
        .await;
    let under_way = two_under_way(&app).await;
    let mut all = inputs((0..20).map(|number| format!("Article {number}")));
    all.push(json!({ "title": "x", "slug": "awaited", "text": "" }));
    let mut creates: FuturesUnordered<_> = all
        .iter()
        .map(|input| app.ask_with(CREATE, json!({ "input": input })))
        .collect();
    let mut answers = Vec::new();
    let unlock = async {
        gathered().await;
        app.direct.run("ROLLBACK TO SAVEPOINT gathering").await;
    };
    let others = async {
        while answers.len() < 20 {
            answers.push(creates.next().await.unwrap());
        }
    };
    join3(others, under_way, unlock).await;
    assert!(
        answers.iter().all(|answer| answer["errors"].is_null()),
        "{answers:?}"
    );
    // The program has not ended its transaction.
    assert!(creates.next().now_or_never().is_none());
    app.direct.run("ROLLBACK").await;
    let awaited = creates.next().await.unwrap();
    assert_answer!(awaited, @r#"{"data":{"createArticle":{"slug":"awaited","version":1}}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn an_abandoned_create_is_still_executed_with_the_others() {
    let app = in_process!(Database::Postgres);
    app.direct.run(LOCK).await;
    let under_way = two_under_way(&app).await;
    let create = |title| app.store.create_article(article(title, None, None));
    let mut kept = Box::pin(create("kept"));
    assert!((&mut kept).now_or_never().is_none());
    let mut given_up = Box::pin(create("given up"));
    assert!((&mut given_up).now_or_never().is_none());
    drop((given_up, under_way));
    app.direct.run("ROLLBACK").await;
    assert_eq!(kept.await.unwrap().slug, "kept");
    app.store.close().await;
    assert_eq!(app.database.count("article").await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_create_that_waits_too_long_is_rejected_and_not_executed() {
    let flags = [
        "--db-wait-timeout=300ms",
        "--db-lock-timeout=5min",
        "--db-statement-timeout=5min",
    ];
    let app = InProcess::start_with(Database::Postgres, &flags).await;
    let Some(app) = app else { return };
    app.direct.run(LOCK).await;
    let under_way = two_under_way(&app).await;
    let late = json!({ "input": { "title": "late", "text": "" } });
    let answer = app.ask_with(CREATE, late.clone()).await;
    assert_answer!(answer, @r#"{"errors":[{"extensions":{"code":"UNAVAILABLE"},"locations":[{"column":41,"line":1}],"message":"the server cannot reach its database at the moment; try again later","path":["createArticle"]}]}"#);
    app.direct.run("ROLLBACK").await;
    under_way.await;
    assert_eq!(app.database.count("article").await, 2);
    app.data(CREATE, late).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_create_over_the_queue_limit_is_rejected_immediately() {
    let flags = [
        "--db-wait-timeout=5min",
        "--db-lock-timeout=5min",
        "--db-statement-timeout=5min",
    ];
    let app = InProcess::start_with(Database::Postgres, &flags).await;
    let Some(app) = app else { return };
    app.direct.run(LOCK).await;
    let under_way = two_under_way(&app).await;
    let create = |number| {
        let title = format!("Article {number}");
        let store = &app.store;
        async move { store.create_article(article(&title, None, None)).await }
    };
    let mut waiting: FuturesUnordered<_> = (0..=MAX_WAITING).map(create).collect();
    let rejected = waiting.next().await.unwrap();
    assert!(
        matches!(rejected, Err(Error::Unavailable(_))),
        "{rejected:?}"
    );
    assert!(waiting.next().now_or_never().is_none());
    app.direct.run("ROLLBACK").await;
    let created = waiting.filter(|created| std::future::ready(created.is_ok()));
    let (created, ()) = join(created.count(), under_way).await;
    assert_eq!(created, MAX_WAITING);
}

/// The maximum number of waiting creates.
const MAX_WAITING: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn in_the_sandbox_an_error_does_not_affect_other_creates() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    database.execute(REFUSE).await;
    let app = TestApp::start_on(&database, &["--db-force-roll-back"]).await;
    let titles = (0..60).map(|number| match number % 20 {
        13 => "rejected".to_owned(),
        _ => format!("Article {number}"),
    });
    let all = inputs(titles);
    let answers = join_all(all.into_iter().map(|input| app.create(input))).await;
    let codes: Vec<_> = answers.iter().map(Answer::code).collect();
    assert_eq!(codes.iter().filter(|code| **code == "INTERNAL").count(), 3);
    assert_eq!(codes.iter().filter(|code| code.is_empty()).count(), 57);
    let list = app.get("/api/v1/articles/").await.json();
    assert_eq!(list.as_array().unwrap().len(), 57);
    app.stop().await;
    assert_eq!(database.count("article").await, 0);
}
