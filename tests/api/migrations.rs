//! Migrations when servers start: many at once, a database that is newer, and servers that apply none.

use broadsheet::store::{self, Migrate, MigrationStatus};
use futures_util::future::join_all;
use rstest_reuse::apply;

use crate::support::{Database, Settings, TestApp, assert_answer, on_both_databases};

#[apply(on_both_databases)]
async fn ten_servers_may_migrate_one_database_at_once(database: Database) {
    let Some(database) = database.empty().await else {
        return;
    };
    let opened = join_all((0..10).map(|_| {
        let database = database.clone();
        tokio::spawn(async move { database.open(&[]).await.unwrap() })
    }));
    for store in opened.await {
        let status = store.unwrap().migration_status().await.unwrap();
        let applied = versions();
        assert_eq!(
            status,
            MigrationStatus {
                applied,
                ..MigrationStatus::default()
            }
        );
    }
}

#[apply(on_both_databases)]
async fn a_database_that_is_newer_is_rejected(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    database.open(&[]).await.unwrap().close().await;
    database
        .execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('9998'), ('9999')")
        .await;
    for flags in [&[][..], &["--no-migrate"]] {
        let error = database.open(flags).await.err().unwrap();
        assert_answer!(error, @"the database is newer than this binary: it has the migrations 9998, 9999, which this binary does not know; start a newer binary");
    }
}

#[apply(on_both_databases)]
async fn a_server_that_applies_no_migrations_logs_pending_ones(database: Database) {
    let Some(database) = database.empty().await else {
        return;
    };
    let app = TestApp::start_on(&database, &["--no-migrate"]).await;
    assert_answer!(app.get("/health/ready").await, @"
    503
    the database has no migrations
    ");
    assert_eq!(app.get("/health/live").await.status, 200);

    let settings = Settings::new(&database.url, &[]).database;
    store::migrate(&settings, Migrate::Up).await.unwrap();
    assert_answer!(app.get("/health/ready").await, @"ready");

    database
        .execute("DELETE FROM __diesel_schema_migrations WHERE version = '0001'")
        .await;
    assert_answer!(app.get("/health/ready").await, @"
    503
    migrations are pending: 0001
    ");
}

#[apply(on_both_databases)]
async fn what_was_applied_can_be_reverted_and_applied_again(database: Database) {
    let Some(database) = database.empty().await else {
        return;
    };
    // There is no status for a missing file.
    database
        .execute("CREATE TABLE somebody_elses (id integer)")
        .await;
    let settings = Settings::new(&database.url, &[]).database;
    let mut applied = versions();
    let migrated = status(&applied, &[]);
    let last = applied.split_off(applied.len() - 1);
    let one_less = status(&applied, &last);
    let empty = status(&[], &versions());
    for (action, status) in [
        (Migrate::Status, &empty),
        (Migrate::Up, &migrated),
        (Migrate::Up, &migrated),
        (Migrate::Down, &one_less),
        (Migrate::Up, &migrated),
        (Migrate::Status, &migrated),
    ] {
        let there = store::migrate(&settings, action).await.unwrap();
        assert_eq!(&there, status, "{action:?}");
    }
    for _ in versions() {
        store::migrate(&settings, Migrate::Down).await.unwrap();
    }
    for (action, status) in [(Migrate::Down, &empty), (Migrate::Up, &migrated)] {
        let there = store::migrate(&settings, action).await.unwrap();
        assert_eq!(&there, status, "{action:?}");
    }
}

fn status(applied: &[String], pending: &[String]) -> MigrationStatus {
    MigrationStatus {
        applied: applied.to_vec(),
        pending: pending.to_vec(),
        unknown: Vec::new(),
    }
}

/// The versions of all migrations, ascending.
fn versions() -> Vec<String> {
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().into_string().unwrap()
    };
    let mut versions: Vec<String> = std::fs::read_dir(tree)
        .unwrap()
        .map(name)
        .map(|name| name.split_once('_').unwrap().0.to_owned())
        .collect();
    versions.sort();
    versions
}
