//! `broadsheet check`: a line for each problem, and how to fix it.

use rstest_reuse::apply;
use serde_json::json;

use crate::program::run;
use crate::support::{Database, OwnDatabase, TestApp, assert_answer, on_both_databases, start};

/// Runs the command; its exit code, what it printed, and its errors, without the lines of the log.
async fn check(database: &OwnDatabase) -> (i32, String, String) {
    let environment = [("DATABASE_URL", database.url.as_str()), ("LOG", "error")];
    run(&["check"], &environment).await
}

/// A database with four articles, two of which have had the same slug, and seven changes.
async fn filled(database: Database) -> Option<TestApp> {
    let app = TestApp::start(database, &[]).await?;
    let mut ids = Vec::new();
    for title in ["One", "Same", "Same", "Same", "Gone"] {
        let text = format!("The text of {title}");
        let created = app.create(json!({ "title": title, "text": text })).await;
        ids.push(created.json()["data"]["createArticle"]["id"].clone());
    }
    for mutation in [
        format!(
            "mutation {{ updateArticle(id: {}, input: {{ title: \"Ones\" }}) {{ id }} }}",
            ids[0]
        ),
        format!("mutation {{ deleteArticle(id: {}) {{ id }} }}", ids[4]),
    ] {
        let answer = app.query(&mutation).await;
        assert_eq!(answer.code(), "", "{answer}");
    }
    if database == Database::Postgres {
        // As when clients follow the feed.
        app.database.execute("SELECT number_changes(1000)").await;
    }
    Some(app)
}

#[apply(on_both_databases)]
async fn an_intact_database_is_ok_while_it_is_served(database: Database) {
    let Some(app) = filled(database).await else {
        return;
    };
    let (code, out, error) = check(&app.database).await;
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    let (count, rest) = out.split_once(" tables").unwrap();
    assert!(count.starts_with("schema: "), "{out}");
    let out = format!("schema: N tables{rest}");
    match database {
        Database::Sqlite => assert_answer!(out, @r"
        schema: N tables, indexes, triggers and views, ok
        pages: PRAGMA integrity_check, ok
        feed: changes from 1 to 7, ok
        slugs: 0 runs of taken numbers, ok
        search: 4 articles are found by their words, ok
        "),
        Database::Postgres => assert_answer!(out, @r"
        schema: N tables, columns, indexes, constraints, triggers and functions, ok
        feed: changes from 1 to 7, ok
        slugs: 0 runs of taken numbers, ok
        search: 4 articles are found by their words, ok
        "),
    }
}

#[apply(on_both_databases)]
async fn each_problem_is_reported_with_its_remedy(database: Database) {
    const FOLLOWERS: &str = "Clients that follow the feed may have missed that: `broadsheet feed new-epoch` makes all \
                             of them start over with a list. It is reported until CHANGE_RETENTION has passed";
    const INDEX: &str = "A server indexes rows of other programs within seconds, and rows imported with \
                         --index=later within minutes; otherwise run `broadsheet reindex`";
    const REBUILD: &str = "export the articles and import them into a new database";
    let of_both = [
        (
            "INSERT INTO slug_run (prefix, first, last) VALUES ('none-', 2, 5)",
            "slugs: 4 of the numbers 2 to 5 after \"none-\" are recorded as taken but are free. New slugs \
             get higher numbers than necessary; DELETE FROM slug_run WHERE prefix = 'none-' AND first = 2 makes these \
             numbers available again"
                .to_owned(),
        ),
        (
            "UPDATE article_change SET version = 9 WHERE kind = 2",
            format!(
                "feed: the last change of 1 articles differs from the article. {FOLLOWERS}"
            ),
        ),
        (
            "DROP TABLE import_progress",
            match database {
                Database::Sqlite => format!(
                    "schema: the table import_progress is missing. Restore a backup, or {REBUILD}"
                ),
                Database::Postgres => format!(
                    "schema: the table import_progress is missing. Create it as the migrations do, or {REBUILD}"
                ),
            },
        ),
    ];
    let of_one = match database {
        Database::Sqlite => vec![
            (
                "DELETE FROM article_change WHERE position IN (2, 3)",
                format!("feed: there are no changes at the positions 2 to 3. {FOLLOWERS}"),
            ),
            (
                "UPDATE sqlite_sequence SET seq = 5 WHERE name = 'article_change'",
                format!("feed: 2 changes have no position of their own. {FOLLOWERS}"),
            ),
            (
                "INSERT INTO article_search (rowid, title, text) VALUES (77, 'a', 'b')",
                format!(
                    "search: the words of 1 deleted articles are still indexed. {INDEX}"
                ),
            ),
            (
                "DROP TRIGGER article_search_delete;
                CREATE TRIGGER article_search_delete AFTER DELETE ON article BEGIN SELECT 1; END",
                "schema: the trigger article_search_delete differs from what the migrations create. Recreate it: DROP TRIGGER \
                 article_search_delete; CREATE TRIGGER article_search_delete AFTER DELETE ON article BEGIN INSERT INTO \
                 search_due (number) VALUES (OLD.number); DELETE FROM search_replaced WHERE number = OLD.number; END;"
                    .to_owned(),
            ),
        ],
        Database::Postgres => vec![
            (
                "DELETE FROM article_feed WHERE position = 2",
                format!("feed: there is no change at the position 2. {FOLLOWERS}"),
            ),
            (
                "DELETE FROM article_feed WHERE position = 7",
                format!("feed: 1 changes have no position of their own. {FOLLOWERS}"),
            ),
            (
                "ALTER TABLE article DISABLE TRIGGER article_words",
                "schema: the trigger article_words is disabled. ALTER TABLE article ENABLE TRIGGER article_words;"
                    .to_owned(),
            ),
            (
                "DROP INDEX article_title_trigrams",
                "schema: the index article_title_trigrams is missing. Create it: CREATE INDEX article_title_trigrams ON \
                 article USING gin (lower(((title)::text COLLATE \"und-x-icu\")) gin_trgm_ops);"
                    .to_owned(),
            ),
            (
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'article_updated_at_id'::regclass",
                "schema: the index article_updated_at_id was not built completely and is not used. REINDEX INDEX \
                 article_updated_at_id;"
                    .to_owned(),
            ),
            (
                "ALTER TABLE article ALTER COLUMN search_rules DROP DEFAULT",
                format!(
                    "schema: the column article.search_rules differs from what the migrations create. Create it as the \
                     migrations do, or {REBUILD}"
                ),
            ),
        ],
    };
    for (harm, expected) in of_both.into_iter().chain(of_one) {
        let Some(app) = filled(database).await else {
            return;
        };
        app.database.execute(harm).await;
        let (code, out, error) = check(&app.database).await;
        assert_eq!(code, 1, "{harm}: {out}{error}");
        assert!(
            out.lines().any(|line| line == expected),
            "{harm}: {out}{expected}"
        );
        assert!(error.contains("found"), "{error}");
    }
}

/// The statement that a line of the check ends with.
fn remedy(out: &str) -> &str {
    let line = out.lines().find(|line| line.contains("reate it: "));
    line.unwrap().split_once("reate it").unwrap().1
}

#[apply(on_both_databases)]
async fn the_remedies_fix_the_problems(database: Database) {
    let app = start!(database);
    let harms = [
        "DROP INDEX article_title_id",
        match database {
            Database::Sqlite => "DROP TRIGGER article_created",
            Database::Postgres => "DROP TRIGGER article_created ON article",
        },
        match database {
            Database::Sqlite => {
                "DROP INDEX article_title_id; CREATE INDEX article_title_id ON article (title)"
            }
            Database::Postgres => {
                "DROP TRIGGER article_deleted ON article; CREATE TRIGGER article_deleted AFTER DELETE ON article
                REFERENCING OLD TABLE AS changed EXECUTE FUNCTION article_log_written('3')"
            }
        },
    ];
    for harm in harms {
        app.database.execute(harm).await;
        let (code, out, _) = check(&app.database).await;
        assert_eq!(code, 1, "{harm}: {out}");
        let (_, statement) = remedy(&out).split_once(": ").unwrap();
        app.database.execute(statement).await;
        let (code, out, _) = check(&app.database).await;
        assert_eq!(code, 0, "{harm}: {out}");
    }
}

/// `schema.txt` is the result of the migrations. If they change, this prints the new one.
#[tokio::test]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn the_listed_schema_of_postgresql_matches_the_migrations() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let listing = include_str!("../../crates/articles/src/store/postgres/check/schema.sql");
    let rows = client.query(listing, &[]).await.unwrap();
    let lines = rows.iter().map(|row| {
        let [kind, name, definition] = [0, 1, 2].map(|column| row.get::<_, String>(column));
        format!("{kind}\t{name}\t{definition}\n")
    });
    let made: String = lines.collect();
    let expected = include_str!("../../crates/articles/src/store/postgres/check/schema.txt");
    assert!(made == expected, "schema.txt is to be:\n{made}");
}
