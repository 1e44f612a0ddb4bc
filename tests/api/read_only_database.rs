//! A database that accepts no writes: they are rejected with a message that says so, and everything else works.

use std::time::{Duration, Instant};

use rstest_reuse::apply;
use serde_json::json;

use crate::program::Program;
use crate::support::{
    Answer, Database, OwnDatabase, TestApp, assert_answer, client, on_both_databases, start,
};

/// Makes each insertion of an article fail as on a database that accepts none.
async fn refuse_writes(database: &OwnDatabase, kind: Database, why: Why) {
    let sql = match (kind, why) {
        (Database::Sqlite, Why::ReadOnly) => sqlite_trigger("attempt to write a readonly database"),
        (Database::Sqlite, Why::Full) => sqlite_trigger("database or disk is full"),
        (Database::Postgres, Why::ReadOnly) => postgres_trigger("25006"),
        (Database::Postgres, Why::Full) => postgres_trigger("53100"),
    };
    database.execute(&sql).await;
}

#[derive(Debug, Clone, Copy)]
enum Why {
    ReadOnly,
    Full,
}

fn sqlite_trigger(message: &str) -> String {
    format!(
        "CREATE TRIGGER refusing AFTER INSERT ON article BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )
}

fn postgres_trigger(sqlstate: &str) -> String {
    format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'nein' USING ERRCODE = '{sqlstate}'; END $$;
        CREATE TRIGGER refusing AFTER INSERT ON article FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
}

async fn take_writes(database: &OwnDatabase, kind: Database) {
    let sql = match kind {
        Database::Sqlite => "DROP TRIGGER refusing",
        Database::Postgres => "DROP FUNCTION refuse() CASCADE",
    };
    database.execute(sql).await;
}

#[apply(on_both_databases)]
async fn writes_are_rejected_with_a_reason_and_reads_continue(database: Database) {
    let app = start!(database);
    app.create(json!({ "title": "before", "text": "" })).await;
    for (why, reason) in [
        (
            Why::ReadOnly,
            "503\nthe database accepts no writes, because it is read-only\n",
        ),
        (
            Why::Full,
            "503\nthe database accepts no writes, because its disk is full\n",
        ),
    ] {
        refuse_writes(&app.database, database, why).await;
        let answer =
            app.query("mutation { createArticle(input: { title: \"a\", text: \"\" }) { id } }");
        let answer = answer.await.json();
        assert_eq!(
            answer["errors"][0],
            json!({
                "message": "the database accepts no writes at the moment, so nothing was changed; reads continue",
                "locations": [{ "line": 1, "column": 12 }],
                "path": ["createArticle"],
                "extensions": { "code": "UNAVAILABLE" },
            })
        );
        let many = "mutation { createArticles(inputs: [{ title: \"a\", text: \"\" }]) { id } }";
        assert_eq!(app.query(many).await.code(), "UNAVAILABLE");
        assert_answer!(app.query("{ articles { slug } }").await, @r#"
        {
          "data": {
            "articles": [
              {
                "slug": "before"
              }
            ]
          }
        }
        "#);
        let changes = app.query("{ articleChangesCursor }").await;
        assert_eq!(changes.code(), "", "{changes}");
        assert_eq!(app.get("/health/ready").await.to_string(), reason);
        assert_eq!(app.get("/health/live").await.status, 200);

        take_writes(&app.database, database).await;
        assert_answer!(app.get("/health/ready").await, @"ready");
    }
    let answer = app.create(json!({ "title": "after", "text": "" })).await;
    assert_eq!(answer.code(), "", "{answer}");
    assert_answer!(app.query("{ articles(orderBy: SLUG_ASC) { slug } }").await, @r#"
    {
      "data": {
        "articles": [
          {
            "slug": "after"
          },
          {
            "slug": "before"
          }
        ]
      }
    }
    "#);
}

#[apply(on_both_databases)]
async fn the_log_reports_read_only_state_and_its_end_once(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let program = Program::start(&own.url, &[]).await;
    let create = async || {
        let mutation = r#"mutation { createArticle(input: { title: "a", text: "" }) { id } }"#;
        let request = client().post(program.url("/graphql"));
        Answer::to(request.json(&json!({ "query": mutation }))).await
    };
    let ready = async || Answer::to(client().get(program.url("/health/ready"))).await;
    // Its slug is taken, so that the first statement of the other creates writes nothing.
    assert_eq!(create().await.code(), "");
    refuse_writes(&own, database, Why::Full).await;
    for _ in 0..3 {
        assert_eq!(create().await.code(), "UNAVAILABLE");
        assert_eq!(ready().await.status, 503);
    }
    take_writes(&own, database).await;
    for _ in 0..3 {
        assert_eq!(create().await.code(), "");
        assert_eq!(ready().await.status, 200);
    }
    program.signal("TERM");
    let (_, log) = program.end().await;
    let rejected = log.matches("accepts no writes").count();
    let taken = log.matches("accepts writes again").count();
    assert_eq!((rejected, taken), (1, 1), "{log}");
    assert!(log.contains("because its disk is full"), "{log}");
}

/// Like a replica, or a database that is set to be read-only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_server_starts_on_a_database_that_is_read_only() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    database.fill(3, 10).await;
    let (_, name) = database.url.rsplit_once('/').unwrap();
    let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    database.execute(&sql).await;
    let app = TestApp::start_on(&database, &[]).await;
    assert_answer!(app.get("/health/ready").await, @"
    503
    the database accepts no writes, because it is read-only
    ");
    assert_answer!(app.query("{ articles(orderBy: SLUG_ASC, limit: 1) { slug } }").await, @r#"
    {
      "data": {
        "articles": [
          {
            "slug": "article-1"
          }
        ]
      }
    }
    "#);
    // Changes without a position cannot be numbered, and the feed continues without them.
    let changes = app.query("{ articleChangesCursor }").await;
    assert_eq!(changes.code(), "", "{changes}");
    let write = app.create(json!({ "title": "a", "text": "" })).await;
    assert_eq!(write.code(), "UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn missing_write_privileges_are_not_an_internal_error() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    let (address, name) = database.url.rsplit_once('/').unwrap();
    let role = format!("reads_{name}");
    let sql =
        format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    database.execute(&sql).await;
    let mut reading = database.clone();
    let (_, host) = address.rsplit_once('@').unwrap();
    reading.url = format!("postgres://{role}@{host}/{name}");
    let app = TestApp::start_on(&reading, &[]).await;
    assert_answer!(app.get("/health/ready").await, @"
    503
    the database accepts no writes, because the user may not write
    ");
    assert_answer!(app.query("{ articles { id } }").await, @r#"
    {
      "data": {
        "articles": []
      }
    }
    "#);
    let write = app.create(json!({ "title": "a", "text": "" })).await;
    assert_eq!(write.code(), "UNAVAILABLE", "{write}");
    app.stop().await;
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

/// A file that this user may read and not write, in a directory where SQLite can keep its log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_file_becomes_writable_once_it_is_fixed() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let database = Database::Sqlite.migrated().await.unwrap();
    database.open(&[]).await.unwrap().close().await;
    database.fill(1, 1).await;
    let path = database.url.strip_prefix("sqlite:").unwrap().to_owned();
    let directory = std::path::Path::new(&path).parent().unwrap();
    set_permissions(directory, Permissions::from_mode(0o777)).unwrap();
    set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    // Root may write any file.
    let mut program = Program::start_unprivileged(&database.url, &[]).await;
    let create = async |program: &Program| {
        let mutation = r#"mutation { createArticle(input: { title: "a", text: "" }) { id } }"#;
        let request = client().post(program.url("/graphql"));
        Answer::to(request.json(&json!({ "query": mutation }))).await
    };
    let get = async |program: &Program, path| Answer::to(client().get(program.url(path))).await;
    assert_answer!(get(&program, "/health/ready").await, @"
    503
    the database accepts no writes, because it is read-only
    ");
    assert_eq!(create(&program).await.code(), "UNAVAILABLE");
    let list = get(&program, "/api/v1/articles/").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    program.logged("accepts no writes").await;

    // SQLite created its log with the permissions of the file.
    for entry in std::fs::read_dir(directory).unwrap() {
        set_permissions(entry.unwrap().path(), Permissions::from_mode(0o666)).unwrap();
    }
    // It reopens the file from time to time.
    let began = Instant::now();
    while get(&program, "/health/ready").await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(create(&program).await.code(), "");
    program.logged("accepts writes again").await;
}
