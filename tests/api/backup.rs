//! `broadsheet backup` and `broadsheet restore`: intact copies succeed, and damaged ones are rejected.

mod damaged;
mod under_load;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tempfile::TempDir;

use crate::program::{Program, directory, run_in};
use crate::support::{Answer, Database, TestApp, assert_answer, client};

/// A directory with a database, and the path for its backup.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: directory(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn url(&self, name: &str) -> String {
        format!("sqlite:{}", self.path(name).display())
    }

    /// Runs a command with this database; its exit code, what it printed, and its last line on standard error, without
    /// the path of the directory.
    async fn run(&self, database: &str, arguments: &[&str]) -> (i32, String, String) {
        let url = self.url(database);
        let environment = [("DATABASE_URL", url.as_str())];
        let (code, out, error) = run_in(self.directory.path(), arguments, &environment).await;
        let path = self.directory.path().display().to_string();
        let last = error.lines().last().unwrap_or_default();
        (code, out, last.replace(&path, "DIRECTORY"))
    }

    /// The names of all files, except those that SQLite keeps beside a database in use.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        names.sort();
        names
    }

    /// A database `articles.db` with three articles.
    async fn filled() -> Self {
        let place = Self::new();
        let program = Program::start(&place.url("articles.db"), &[]).await;
        for title in ["one", "two", "three"] {
            create(&program.url("/graphql"), title).await;
        }
        program.signal("TERM");
        assert!(program.end().await.0.success());
        place
    }
}

async fn create(url: &str, title: &str) {
    let input = json!({ "title": title, "text": format!("All about {title}. ").repeat(100) });
    let query = "mutation($input: CreateArticleInput!) { createArticle(input: $input) { id } }";
    let request = json!({ "query": query, "variables": { "input": input } });
    let answer = Answer::to(client().post(url).json(&request)).await;
    assert_eq!(answer.code(), "", "{answer}");
}

async fn titles(program: &Program) -> Vec<String> {
    let list = Answer::to(client().get(program.url("/api/v1/articles/"))).await;
    let list = list.json();
    let articles = list.as_array().unwrap().iter();
    articles
        .map(|article| article["title"].as_str().unwrap().to_owned())
        .collect()
}

fn without_numbers(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let is_number = word.starts_with(|first: char| first.is_ascii_digit());
        match (is_number, word.len() > 30) {
            (true, true) => "ID",
            (true, false) => "N",
            _ => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_has_all_acknowledged_writes_and_can_be_restored() {
    let place = Place::new();
    let program = Program::start(&place.url("articles.db"), &[]).await;
    let url = program.url("/graphql");
    let (written, is_over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let writers = (0..4).map(|writer| {
        let (url, written, is_over) = (url.clone(), Arc::clone(&written), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                create(&url, &format!("{writer} {number}")).await;
                written.fetch_add(1, Ordering::Relaxed);
                number += 1;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let cursor =
        Answer::to(client().get(program.url("/graphql?query={articleChangesCursor}"))).await;
    let cursor = cursor.json()["data"]["articleChangesCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut least = Vec::new();
    for name in ["one.backup", "two.backup", "three.backup"] {
        while written.load(Ordering::Relaxed) < 20 * (least.len() + 1) {
            tokio::task::yield_now().await;
        }
        least.push(written.load(Ordering::Relaxed));
        let (code, out, error) = place.run("articles.db", &["backup", name]).await;
        assert_eq!(code, 0, "{error}");
        let expected = format!("{name}: N bytes, N articles, feed at N checked, in N s\n");
        assert_eq!(without_numbers(&out), expected);
    }
    is_over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    program.signal("TERM");
    assert!(program.end().await.0.success());
    assert_eq!(
        place.names(),
        ["articles.db", "one.backup", "three.backup", "two.backup"]
    );

    for (name, least) in ["one.backup", "two.backup", "three.backup"]
        .into_iter()
        .zip(least)
    {
        let database = format!("{name}.db");
        let (code, out, error) = place.run(&database, &["restore", name]).await;
        assert_eq!(code, 0, "{error}");
        let expected = "N bytes, N articles, feed at N epoch ID of the feed begins, in N s\n";
        assert_eq!(without_numbers(&out), expected);
        assert!(!error.contains("WARN"), "{error}");
        let program = Program::start(&place.url(&database), &[]).await;
        assert!(!program.log().contains("WARN"), "{}", program.log());
        let restored = titles(&program).await.len();
        assert!(restored >= least, "{restored} of {least}");
        // No client can resume from a position that now has another change.
        let changes = format!("{{ articleChanges(after: \"{cursor}\") {{ hasMore }} }}");
        let request = client()
            .post(program.url("/graphql"))
            .json(&json!({ "query": changes }));
        assert_eq!(Answer::to(request).await.code(), "CURSOR_EXPIRED");
        create(&program.url("/graphql"), "after").await;
        let search = "{ articles(filter: { search: \"after\" }) { title } }";
        let request = client()
            .post(program.url("/graphql"))
            .json(&json!({ "query": search }));
        let found = Answer::to(request).await.json();
        assert_eq!(found["data"]["articles"][0]["title"], "after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn existing_files_are_replaced_only_with_the_flag() {
    let place = Place::filled().await;
    let (code, out, _) = place.run("articles.db", &["backup", "a.backup"]).await;
    assert_eq!(code, 0);
    assert!(out.contains(" 3 articles, feed at 3, checked, "), "{out}");
    let before = std::fs::read(place.path("a.backup")).unwrap();
    let (code, _, error) = place.run("articles.db", &["backup", "a.backup"]).await;
    assert_eq!(code, 1);
    assert_answer!(error, @"broadsheet: a.backup already exists; --replace overwrites it");
    assert_eq!(std::fs::read(place.path("a.backup")).unwrap(), before);
    let (code, ..) = place
        .run("articles.db", &["backup", "a.backup", "--replace"])
        .await;
    assert_eq!(code, 0);

    let (code, _, error) = place.run("articles.db", &["restore", "a.backup"]).await;
    assert_eq!(code, 1);
    assert_answer!(error, @"broadsheet: DIRECTORY/articles.db already exists; --replace overwrites it");

    let program = Program::start(&place.url("articles.db"), &[]).await;
    create(&program.url("/graphql"), "four").await;
    let (code, _, error) = place
        .run("articles.db", &["restore", "a.backup", "--replace"])
        .await;
    assert_eq!(code, 1);
    assert_answer!(error, @"broadsheet: DIRECTORY/articles.db is in use: stop the server first");
    assert_eq!(titles(&program).await.len(), 4);
    create(&program.url("/graphql"), "five").await;
    program.signal("KILL");
    program.end().await;

    // The log of the replaced database is not used for the new one.
    assert!(place.path("articles.db-wal").exists());
    let (code, out, error) = place
        .run("articles.db", &["restore", "a.backup", "--replace"])
        .await;
    assert_eq!(code, 0, "{error}");
    assert!(out.contains(" 3 articles, feed at 3, epoch "), "{out}");
    let program = Program::start(&place.url("articles.db"), &[]).await;
    assert_eq!(titles(&program).await, ["three", "two", "one"]);
    assert_eq!(place.names(), ["a.backup", "articles.db"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_damaged_itself_can_be_replaced() {
    let place = Place::filled().await;
    assert_eq!(place.run("articles.db", &["backup", "a.backup"]).await.0, 0);
    for damaged in [
        vec![0; 5_000],
        b"SQLite format 3\0".repeat(1_000),
        Vec::new(),
    ] {
        std::fs::write(place.path("articles.db"), damaged).unwrap();
        let (code, _, error) = place
            .run("articles.db", &["restore", "a.backup", "--replace"])
            .await;
        assert_eq!(code, 0, "{error}");
        let program = Program::start(&place.url("articles.db"), &[]).await;
        assert_eq!(titles(&program).await.len(), 3);
    }
}

#[tokio::test]
async fn an_impossible_backup_is_rejected_and_leaves_no_files() {
    let place = Place::filled().await;
    std::fs::write(place.path("text"), "no database").unwrap();
    std::fs::write(place.path("empty.db"), "").unwrap();
    std::fs::create_dir(place.path("folder")).unwrap();
    let before = place.names();
    for (database, arguments, why) in [
        (
            "none.db",
            ["backup", "b"],
            "broadsheet: there is no file DIRECTORY/none.db",
        ),
        (
            "empty.db",
            ["backup", "b"],
            "broadsheet: DIRECTORY/empty.db is not a Broadsheet database",
        ),
        (
            "text",
            ["backup", "b"],
            "broadsheet: SQLite failed: file is not a database",
        ),
        (
            "folder",
            ["backup", "b"],
            "broadsheet: DIRECTORY/folder is not a Broadsheet database",
        ),
        (
            "articles.db",
            ["backup", "none/b"],
            "broadsheet: none/b: No such file or directory (os error 2)",
        ),
        (
            "articles.db",
            ["backup", "folder"],
            "broadsheet: folder already exists; --replace overwrites it",
        ),
        (
            "other.db",
            ["restore", "none"],
            "broadsheet: there is no file none",
        ),
        (
            "other.db",
            ["restore", "folder"],
            "broadsheet: folder is not a Broadsheet database",
        ),
        (
            "other.db",
            ["restore", "text"],
            "broadsheet: text is damaged: it is not an SQLite database",
        ),
        (
            "none/other.db",
            ["restore", "articles.db"],
            "broadsheet: DIRECTORY/none/other.db: No such file or directory (os error 2)",
        ),
    ] {
        let (code, out, error) = place.run(database, &arguments).await;
        assert_eq!(
            (code, out.as_str()),
            (1, ""),
            "{database} {arguments:?} {error}"
        );
        let error = error.split(" at path").next().unwrap();
        assert_eq!(error, why, "{database} {arguments:?}");
        assert_eq!(place.names(), before, "{database} {arguments:?}");
    }
    for url in ["postgres://nobody@127.0.0.1:1/none", "sqlite::memory:"] {
        for command in ["backup", "restore"] {
            let environment = [("DATABASE_URL", url)];
            let (code, _, error) = run_in(Path::new("/"), &[command, "none"], &environment).await;
            assert_eq!(code, 1, "{error}");
            assert!(error.contains("pg_dump"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_by_other_programs_are_restored_with_a_warning() {
    let app = TestApp::start(Database::Sqlite, &[]).await.unwrap();
    app.create(json!({ "title": "Copied", "text": "" })).await;
    let place = Place::new();
    let copy = format!("VACUUM INTO '{}'", place.path("copy.db").display());
    app.database.execute(&copy).await;
    let (code, out, error) = place.run("new.db", &["restore", "copy.db"]).await;
    assert_eq!(code, 0, "{error}");
    assert!(out.contains(" 1 article, feed at 1, epoch "), "{out}");
    assert!(
        error.contains("was not made by `broadsheet backup`"),
        "{error}"
    );
}
