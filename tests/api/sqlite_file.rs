//! The SQLite file, its write-ahead log, and databases in memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use crate::program::Program;
use crate::support::{Answer, Database, client, start};

const MEBIBYTE: u64 = 1024 * 1024;

const MISSING: &str = "its write-ahead log is not there";

fn log_of(url: &str) -> PathBuf {
    PathBuf::from(format!("{}-wal", url.strip_prefix("sqlite:").unwrap()))
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_write_ahead_log_shrinks_despite_overlapping_reads() {
    let app = start!(Database::Sqlite);
    app.database.fill(5, 90_000).await;
    let log = log_of(&app.database.url);
    let parts: Vec<_> = (0..90)
        .map(|part| json!({ "text": { "contains": format!("{part} is nowhere") } }))
        .collect();
    let writing = async {
        let mut largest = 0;
        for number in 0..60 {
            let text = "x".repeat(1_000_000);
            let answer = app
                .create(json!({ "title": format!("{number}"), "text": text }))
                .await;
            assert_eq!(answer.code(), "", "{number}: {answer}");
            largest = size(&log).max(largest);
        }
        largest
    };
    // Each reader begins while another is reading. All of them see the initial articles only, so they take equally
    // long.
    let reading = join_all((0..3).map(async |reader| {
        tokio::time::sleep(Duration::from_millis(200 * reader)).await;
        loop {
            let filter = json!({
                "createdAt": { "lt": "2026-01-15T00:00:00Z" },
                "title": { "ne": format!("reader {reader}") },
                "or": parts,
            });
            let query = "query($filter: ArticleFilter) { articles(filter: $filter) { id } }";
            let request = json!({ "query": query, "variables": { "filter": filter } });
            let answer = app.graphql(&request).await;
            assert_eq!(answer.code(), "", "{answer}");
        }
    }));
    let largest = tokio::select! {
        largest = writing => largest,
        _ = reading => unreachable!("they read for ever"),
    };
    // 126 MB were written.
    assert!(largest < 70 * MEBIBYTE, "it had {largest} bytes");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rest = size(&log);
    assert!(rest <= 16 * MEBIBYTE, "it kept {rest} bytes");
}

#[tokio::test]
async fn a_copy_without_the_log_causes_a_warning_at_startup() {
    let directory = TempDir::with_prefix("broadsheet-test-").unwrap();
    let path = |name: &str| directory.path().join(name);
    let url = |name: &str| format!("sqlite:{}", path(name).display());

    let program = Program::start(&url("articles.db"), &[]).await;
    create(&program, "first").await;
    std::fs::copy(path("articles.db"), path("copy.db")).unwrap();
    let copy = Program::start(&url("copy.db"), &[]).await;
    assert!(copy.log().contains(MISSING), "{}", copy.log());
    drop(copy);

    // Neither a crash nor a clean shutdown leaves a file without its write-ahead log.
    drop(program);
    let program = Program::start(&url("articles.db"), &[]).await;
    assert_eq!(
        slugs(&program).await,
        r#"{"data":{"articles":[{"slug":"first"}]}}"#
    );
    assert!(!program.log().contains(MISSING), "{}", program.log());
    create(&program, "second").await;
    program.signal("TERM");
    let (status, log) = program.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let left: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("articles"))
        .collect();
    assert_eq!(left, ["articles.db"]);
    std::fs::copy(path("articles.db"), path("second.db")).unwrap();
    let copy = Program::start(&url("second.db"), &[]).await;
    assert!(!copy.log().contains(MISSING), "{}", copy.log());
    let both = r#"{"data":{"articles":[{"slug":"first"},{"slug":"second"}]}}"#;
    assert_eq!(slugs(&copy).await, both);
}

#[tokio::test]
async fn a_copy_by_vacuum_into_is_complete_without_a_warning() {
    let app = start!(Database::Sqlite);
    app.create(json!({ "title": "a", "text": "" })).await;
    let directory = TempDir::with_prefix("broadsheet-test-").unwrap();
    let copy = directory.path().join("copy.db");
    app.database
        .execute(&format!("VACUUM INTO '{}'", copy.display()))
        .await;
    let program = Program::start(&format!("sqlite:{}", copy.display()), &[]).await;
    assert_eq!(
        slugs(&program).await,
        r#"{"data":{"articles":[{"slug":"a"}]}}"#
    );
    assert!(!program.log().contains(MISSING), "{}", program.log());
}

#[tokio::test]
async fn a_database_in_memory_leaves_nothing_on_the_disk() {
    let program = Program::start("sqlite::memory:", &[]).await;
    create(&program, "a").await;
    assert_eq!(
        slugs(&program).await,
        r#"{"data":{"articles":[{"slug":"a"}]}}"#
    );
    let left: Vec<_> = std::fs::read_dir(program.directory()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_memory_serves_concurrent_requests() {
    let program = Program::start("sqlite::memory:", &[]).await;
    let program = &program;
    join_all((0..40).map(async |number| {
        for round in 0..5 {
            create(program, &format!("{number}-{round}")).await;
            let found = by_slug(program, &format!("{number}-{round}")).await;
            assert_eq!(found, r#"{"data":{"article":{"title":"a"}}}"#);
        }
    }))
    .await;
    let all = Answer::to(client().get(program.url("/api/v1/articles/"))).await;
    assert_eq!(all.json().as_array().unwrap().len(), 200);
}

async fn create(program: &Program, slug: &str) {
    let query = format!(
        r#"mutation {{ createArticle(input: {{ title: "a", slug: "{slug}", text: "" }}) {{ slug }} }}"#
    );
    let request = client().post(program.url("/graphql"));
    let answer = Answer::to(request.json(&json!({ "query": query }))).await;
    assert_eq!(answer.code(), "", "{answer}");
}

async fn by_slug(program: &Program, slug: &str) -> String {
    let query = format!(r#"{{ article(by: {{ slug: "{slug}" }}) {{ title }} }}"#);
    let request = client().post(program.url("/graphql"));
    Answer::to(request.json(&json!({ "query": query })))
        .await
        .body
}

async fn slugs(program: &Program) -> String {
    let query = "{ articles(orderBy: CREATED_AT_ASC, limit: 100) { slug } }";
    let request = client().post(program.url("/graphql"));
    Answer::to(request.json(&json!({ "query": query })))
        .await
        .body
}
