//! `broadsheet import`, `broadsheet export` and `broadsheet seed`: exporting imported articles gives the same bytes,
//! and invalid rows are reported.

mod conflicts;
mod indexed;
mod interrupted;
mod rejected;

use std::path::{Path, PathBuf};

use rstest_reuse::apply;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{directory, run_in};
use crate::support::{Database, OwnDatabase, TestApp, assert_answer, on_both_databases};

/// A database, and a directory for files.
pub(super) struct Place {
    database: OwnDatabase,
    directory: TempDir,
}

impl Place {
    async fn new(database: Database) -> Option<Self> {
        Some(Self {
            database: database.migrated().await?,
            directory: directory(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs a command with this database; its exit code, what it printed, and its errors, without the lines of the log.
    async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let environment = [
            ("DATABASE_URL", self.database.url.as_str()),
            ("LOG", "error"),
        ];
        let (code, out, error) = run_in(self.directory.path(), arguments, &environment).await;
        (code, without_seconds(&out), error)
    }

    /// Runs a command that succeeds.
    async fn succeed(&self, arguments: &[&str]) -> String {
        let (code, out, error) = self.run(arguments).await;
        assert_eq!((code, error.as_str()), (0, ""), "{out}");
        out
    }

    /// All articles in the format of the export, without values that the import generated.
    async fn articles(&self) -> Vec<Value> {
        let (code, out, error) = self.run(&["export", "-"]).await;
        assert_eq!(code, 0, "{error}");
        let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    /// The slugs and titles, ordered by slug.
    async fn titles(&self) -> Vec<String> {
        let articles = self.articles().await;
        let text = |article: &Value, name: &str| article[name].as_str().unwrap().to_owned();
        let titles = articles
            .iter()
            .map(|article| format!("{}: {}", text(article, "slug"), text(article, "title")));
        let mut titles: Vec<_> = titles.collect();
        titles.sort();
        titles
    }
}

fn without_seconds(text: &str) -> String {
    match text.rsplit_once(", in ") {
        Some((before, _)) => before.to_owned(),
        None => text.to_owned(),
    }
}

/// A line of NDJSON whose id is this number.
fn line(id: u128, title: &str, slug: &str, text: &str) -> String {
    let (id, title, slug, text) = (uuid(id), json!(title), json!(slug), json!(text));
    format!(
        "{{\"id\":\"{id}\",\"title\":{title},\"slug\":{slug},\"text\":{text},\
         \"createdAt\":\"2026-01-31T09:30:00.123456Z\",\"updatedAt\":\"2026-02-01T00:00:00.000001Z\",\"version\":3}}\n"
    )
}

fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    let part = |range| hex.get(range).unwrap();
    let parts = [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ];
    parts.join("-")
}

/// Articles in many scripts, with every value that is difficult for a format.
fn difficult() -> String {
    let texts = [
        "",
        " ",
        "\n",
        "\r",
        "\r\n\r\n",
        "a\rb\nc\r\nd",
        "\"",
        "\"quoted\", and \"\"doubled\"\"",
        "a,b;c\td",
        "\\N \\. \\n \\\\",
        "'; DROP TABLE article; --",
        "\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{85}\u{2028}\u{2029}",
        "\u{feff}begins with a byte order mark",
        "Ελληνικά, кириллица, עברית, العربية, हिन्दी, 日本語, 한국어, ไทย",
        "😀 👩‍👩‍👧‍👦 e\u{301} \u{10ffff} \u{fffd} \u{fffe}",
        "=1+1",
        "null",
    ];
    let instants = [
        "0001-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59.999999Z",
        "2000-02-29T12:00:00.000001Z",
    ];
    let lines = texts.iter().enumerate().map(|(number, text)| {
        let id = uuid(1 + 977 * number as u128);
        let title = match text.chars().count() {
            1..=65 => text,
            _ => "A title",
        };
        let created_at = instants[number % instants.len()];
        let updated_at = instants[(number + 1) % instants.len()];
        let version = [1, 2, 2_147_483_646][number % 3];
        format!(
            "{{\"id\":\"{id}\",\"title\":{},\"slug\":{},\"text\":{},\"createdAt\":\"{created_at}\",\
             \"updatedAt\":\"{updated_at}\",\"version\":{version}}}\n",
            json!(title),
            json!(
                format!("{number} {title}")
                    .chars()
                    .take(65)
                    .collect::<String>()
            ),
            json!(text),
        )
    });
    lines.collect()
}

#[apply(on_both_databases)]
async fn export_import_and_export_give_the_same_bytes(database: Database) {
    let Some(first) = Place::new(database).await else {
        return;
    };
    first.write("articles.ndjson", &difficult());
    let summary = first.succeed(&["import", "articles.ndjson"]).await;
    assert_answer!(summary, @"articles.ndjson: 17 articles created, 0 replaced, 0 rows skipped, 0 rejected");
    first.succeed(&["export", "again.ndjson"]).await;
    assert_eq!(first.read("again.ndjson"), difficult());
    for name in [
        "a.csv",
        "a.csv.gz",
        "a.ndjson.gz",
        "a.csv.zst",
        "a.ndjson.zst",
    ] {
        let exported = first.succeed(&["export", name]).await;
        assert_eq!(exported, format!("{name}: 17 articles\n"));
        let second = Place::new(database).await.unwrap();
        std::fs::copy(first.path(name), second.path(name)).unwrap();
        second.succeed(&["import", name]).await;
        second.succeed(&["export", "again.ndjson"]).await;
        assert_eq!(second.read("again.ndjson"), difficult(), "{name}");
        second.succeed(&["export", "again.csv"]).await;
        first.succeed(&["export", "--replace", "b.csv"]).await;
        assert_eq!(second.read("again.csv"), first.read("b.csv"), "{name}");
    }
}

#[tokio::test]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn articles_move_to_the_other_database_and_back() {
    let places = [Database::Sqlite, Database::Postgres, Database::Sqlite];
    let mut before = difficult();
    for database in places {
        let Some(place) = Place::new(database).await else {
            return;
        };
        place.write("articles", &before);
        place.succeed(&["import", "articles"]).await;
        before = place.succeed_quietly(&["export", "-"]).await;
        assert_eq!(before, difficult(), "{database:?}");
    }
}

impl Place {
    /// Runs a command that succeeds, and may print to standard error.
    async fn succeed_quietly(&self, arguments: &[&str]) -> String {
        let (code, out, error) = self.run(arguments).await;
        assert_eq!(code, 0, "{error}");
        out
    }
}

#[apply(on_both_databases)]
async fn omitted_columns_get_the_defaults_of_a_new_article(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    place.write(
        "a",
        "{\"title\":\"Été\",\"text\":\"\"}\n\n\
         {\"title\":\"Été\",\"text\":\"\",\"slug\":null,\"id\":null,\"created_at\":\"2026-01-31T10:30:00+01:00\"}\r\n\
         {\"title\":\"Other\",\"text\":\"\",\"slug\":\"ete-3\"}\n\
         {\"title\":\"Été\",\"text\":\"no end of line\"}",
    );
    place.succeed(&["import", "a"]).await;
    place.write(
        "b.csv",
        "\u{feff}text,title\r\n\"a \"\"text\"\"\",Été\r\n,Été\n",
    );
    place.succeed(&["import", "b.csv"]).await;
    let articles = place.articles().await;
    let mut shown: Vec<_> = articles
        .iter()
        .map(|article| {
            let slug = article["slug"].as_str().unwrap();
            let version = &article["version"];
            let is_now = article["createdAt"] == article["updatedAt"];
            format!("{slug} {version} {is_now} {}", article["text"])
        })
        .collect();
    shown.sort();
    assert_answer!(shown.join("\n"), @r#"
    ete 1 true ""
    ete-2 1 false ""
    ete-3 1 true ""
    ete-4 1 true "no end of line"
    ete-5 1 true "a \"text\""
    ete-6 1 true ""
    "#);
}

#[apply(on_both_databases)]
async fn imported_articles_are_changes_of_the_feed_unless_a_new_epoch_begins(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    let app = TestApp::start_on(&place.database, &[]).await;
    let cursor = app.query("{ articleChangesCursor }").await.json();
    let cursor = cursor["data"]["articleChangesCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let lines: String = (1..=3)
        .map(|n| line(n, "T", &format!("s{n}"), ""))
        .collect();
    place.write("a", &lines);
    place.succeed(&["import", "a"]).await;
    let changes = format!(
        "{{ articleChanges(after: \"{cursor}\") {{ changes {{ kind article {{ slug }} }} }} }}"
    );
    // PostgreSQL assigns the positions within half a second.
    let mut seen = app.query(&changes).await;
    for _ in 0..100 {
        if seen.body.contains("s3") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        seen = app.query(&changes).await;
    }
    assert_answer!(seen.body, @r#"{"data":{"articleChanges":{"changes":[{"kind":"CREATED","article":{"slug":"s1"}},{"kind":"CREATED","article":{"slug":"s2"}},{"kind":"CREATED","article":{"slug":"s3"}}]}}}"#);
    place.write("b", &line(4, "T", "s4", ""));
    let summary = place.succeed(&["import", "b", "--new-epoch"]).await;
    assert!(summary.contains(" of the feed begins"), "{summary}");
    assert_eq!(app.query(&changes).await.code(), "CURSOR_EXPIRED");
}

#[apply(on_both_databases)]
async fn seeded_articles_read_like_articles(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    let created = place.succeed(&["seed", "1234"]).await;
    assert_eq!(created, "1234 articles created\n");
    let articles = place.articles().await;
    assert_eq!(articles.len(), 1234);
    for article in &articles {
        let text = article["text"].as_str().unwrap();
        assert!(text.len() > 300 && text.ends_with('.'), "{article}");
        assert!(!text.contains(['{', '}']), "{article}");
    }
}

#[tokio::test]
async fn an_export_replaces_no_file_and_is_named_when_complete() {
    let place = Place::new(Database::Sqlite).await.unwrap();
    // There is no database yet.
    let (code, _, error) = place.run(&["export", "a.ndjson"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("there is no database at"), "{error}");
    place.succeed(&["seed", "10"]).await;
    place.write("a.ndjson", "mine");
    let (code, _, error) = place.run(&["export", "a.ndjson"]).await;
    assert_eq!(code, 1);
    assert_answer!(error, @"broadsheet: a.ndjson already exists; --replace overwrites it");
    assert_eq!(place.read("a.ndjson"), "mine");
    assert_eq!(
        place.succeed(&["export", "a.ndjson", "--replace"]).await,
        "a.ndjson: 10 articles\n"
    );
    let (code, _, error) = place.run(&["export", "missing/a.ndjson"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("No such file or directory"), "{error}");
    let names: Vec<_> = std::fs::read_dir(place.directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(Path::new("a.ndjson").extension().is_some());
}
