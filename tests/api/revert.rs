//! `migrate down`, which deletes data, `migrate status`, which changes nothing, and `--no-migrate`.

use std::process::Stdio;

use broadsheet::store::{self, Loss, Migrate};
use rstest_reuse::apply;

use crate::program::{Program, command, directory, run, run_in};
use crate::support::{Database, OwnDatabase, Settings, assert_answer, on_both_databases};
use crate::terminal::Terminal;

/// A database with three articles, four changes and an idempotency key.
async fn filled(kind: Database) -> Option<OwnDatabase> {
    let database = kind.migrated().await?;
    database.open(&[]).await.unwrap().close().await;
    database.fill(3, 10).await;
    database
        .execute("UPDATE article SET text = '' WHERE slug = 'article-1'")
        .await;
    let key = match kind {
        Database::Sqlite => "zeroblob(32)",
        Database::Postgres => "decode(repeat('00', 32), 'hex')",
    };
    let sql = format!(
        "INSERT INTO idempotency_key (key, request, created_at) SELECT {key}, {key}, created_at FROM article LIMIT 1"
    );
    database.execute(&sql).await;
    Some(database)
}

#[apply(on_both_databases)]
async fn migrate_down_reports_the_loss_and_needs_confirmation(database: Database) {
    let Some(database) = filled(database).await else {
        return;
    };
    let environment = [("DATABASE_URL", database.url.as_str())];
    let down = async |arguments: &[&str]| {
        let (code, out, error) =
            run(&[&["migrate", "down"], arguments].concat(), &environment).await;
        (
            code,
            out,
            error.lines().last().unwrap_or_default().to_owned(),
        )
    };
    loop {
        let store = database.open(&["--no-migrate"]).await.unwrap();
        let Ok(status) = store.migration_status().await else {
            break;
        };
        let Some(last) = status.applied.last().cloned() else {
            break;
        };
        let before = count(&store).await;
        let loss = store.loss_by_reverting(&last).await.unwrap();
        store.close().await;

        let (code, out, stderr) = down(&[]).await;
        assert_eq!((code, out.as_str()), (1, ""), "{stderr}");
        assert_eq!(
            stderr,
            format!(
                "broadsheet: migrate down reverts {last}, and deletes {loss}; nothing was done: confirm with --yes"
            )
        );
        let store = database.open(&["--no-migrate"]).await.unwrap();
        assert_eq!(count(&store).await, before);
        store.close().await;

        let (code, _, stderr) = down(&["--yes"]).await;
        assert_eq!(code, 0, "{stderr}");
        let store = database.open(&["--no-migrate"]).await.unwrap();
        let after = count(&store).await;
        let lost = Loss {
            articles: before.articles - after.articles,
            changes: before.changes - after.changes,
            idempotency_keys: before.idempotency_keys - after.idempotency_keys,
        };
        assert_eq!(lost, loss, "what {last} really takes");
        store.close().await;
    }
    // There is nothing left to confirm.
    let (code, _, stderr) = down(&[]).await;
    assert_eq!(code, 0, "{stderr}");
}

/// The contents of the database.
async fn count(store: &store::Store) -> Loss {
    Loss {
        articles: store
            .loss_by_reverting("0001")
            .await
            .map_or(0, |loss| loss.articles),
        changes: store
            .loss_by_reverting("0003")
            .await
            .map_or(0, |loss| loss.changes),
        idempotency_keys: store
            .loss_by_reverting("0007")
            .await
            .map_or(0, |loss| loss.idempotency_keys),
    }
}

#[apply(on_both_databases)]
async fn the_loss_is_reported_in_numbers(database: Database) {
    let Some(database) = filled(database).await else {
        return;
    };
    let store = database.open(&[]).await.unwrap();
    let loss = async |version| store.loss_by_reverting(version).await.unwrap();
    assert_answer!(loss("0001").await, @"all articles (3)");
    assert_answer!(loss("0002").await, @"no article and no change of the feed");
    assert_answer!(loss("0003").await, @"all changes of the feed (4), and with them the cursors of all clients");
    assert_answer!(loss("0007").await, @"all idempotency keys (1), so that a mutation that is sent again is executed again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_terminal_migrate_down_asks_for_confirmation() {
    let database = filled(Database::Sqlite).await.unwrap();
    let settings = Settings::new(&database.url, &[]).database;
    for (answer, reverts) in [("\n", false), ("n\n", false), ("y\n", true)] {
        let before = store::migrate(&settings, Migrate::Status).await.unwrap();
        let (mut terminal, program) = Terminal::open();
        let directory = directory();
        let mut process = command(directory.path())
            .args(["migrate", "down"])
            .env("DATABASE_URL", &database.url)
            .stdin(Stdio::from(program.try_clone().unwrap()))
            .stderr(Stdio::from(program))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        terminal.read_until("Continue? [y/N] ");
        terminal.type_in(answer);
        let status = process.wait().await.unwrap();
        assert_eq!(status.code(), Some(i32::from(!reverts)));
        let after = store::migrate(&settings, Migrate::Status).await.unwrap();
        assert_eq!(before != after, reverts, "{answer:?}");
    }
}

#[tokio::test]
async fn migrate_status_and_down_create_no_database_at_a_mistyped_path() {
    let directory = directory();
    let environment = [("DATABASE_URL", "sqlite:mistyped.db")];
    for action in ["status", "down"] {
        let (code, _, error) = run_in(
            directory.path(),
            &["migrate", action, "--yes"],
            &environment,
        )
        .await;
        assert_eq!(code, 1, "{action}");
        let shown = error.replace(&directory.path().display().to_string(), "DIRECTORY");
        assert_answer!(shown, @"broadsheet: cannot use the SQLite database DIRECTORY/mistyped.db: there is no such file");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[apply(on_both_databases)]
async fn migrate_status_changes_nothing_in_a_database_without_migrations(database: Database) {
    let Some(database) = database.empty().await else {
        return;
    };
    // For a file, one exists.
    database
        .execute("CREATE TABLE somebody_elses (id integer)")
        .await;
    let environment = [("DATABASE_URL", database.url.as_str())];
    for action in ["status", "down"] {
        let (code, out, error) = run(&["migrate", action], &environment).await;
        assert_eq!(code, 0, "{error}");
        assert!(out.starts_with("0001 pending\n0002 pending\n"), "{out}");
    }
    // It would fail if the table had been created.
    database
        .execute("CREATE TABLE __diesel_schema_migrations (id integer)")
        .await;
}

#[apply(on_both_databases)]
async fn a_server_that_applies_no_migrations_logs_at_startup_what_is_missing(database: Database) {
    let Some(database) = database.empty().await else {
        return;
    };
    let mut program = Program::start(&database.url, &["--no-migrate"]).await;
    let warning = program.logged("the database has no migrations").await;
    assert!(
        warning.contains("WARN") && warning.contains("and --no-migrate is set"),
        "{warning}"
    );
    drop(program);

    let settings = Settings::new(&database.url, &[]).database;
    store::migrate(&settings, Migrate::Up).await.unwrap();
    let program = Program::start(&database.url, &["--no-migrate"]).await;
    assert!(!program.log().contains("--no-migrate"), "{}", program.log());
    drop(program);

    let reverted = store::migrate(&settings, Migrate::Down).await.unwrap();
    let pending = reverted.pending.join(", ");
    let mut program = Program::start(&database.url, &["--no-migrate"]).await;
    let warning = program.logged("migrations are pending").await;
    let expected = format!("migrations are pending ({pending}), and --no-migrate is set");
    assert!(warning.contains(&expected), "{warning}");
}
