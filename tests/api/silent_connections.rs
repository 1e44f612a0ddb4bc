//! Connections to PostgreSQL that have become silent although both ends keep them open.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::postgres;
use crate::proxy::Proxy;
use crate::support::{Database, TestApp};

const FLAGS: [&str; 4] = [
    "--db-max-size=4",
    "--db-min-size=4",
    "--db-statement-timeout=1s",
    "--db-wait-timeout=1s",
];

/// How long the service may be unavailable: `DB_STATEMENT_TIMEOUT`, and five seconds.
const AWAY: Duration = Duration::from_secs(1 + 5);

async fn start() -> Option<(Proxy, TestApp)> {
    let database = Database::Postgres.migrated().await?;
    let proxy = Proxy::before(&database).await;
    let app = TestApp::start_on(&proxy.database, &FLAGS).await;
    Some((proxy, app))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn under_load_the_service_recovers_soon_after_connections_go_silent() {
    let Some((proxy, app)) = start().await else {
        return;
    };
    // Both single statements and transactions are always under way.
    let begun = Instant::now();
    let frozen_after = Duration::from_secs(1);
    let (back_after, end) = (
        frozen_after + AWAY,
        frozen_after + AWAY + Duration::from_secs(2),
    );
    let clients = (0..8).map(async |client| {
        let mut answered = 0;
        let mut answers = 0;
        while begun.elapsed() < end {
            let sent_after = begun.elapsed();
            let query = match client % 2 {
                0 => "{ articles(limit: 1) { id } }",
                _ => "mutation { createArticles(inputs: [{ title: \"a\", text: \"\" }]) { id } }",
            };
            let answer = app.query(query).await;
            answers += 1;
            if sent_after < frozen_after || sent_after > back_after {
                assert_eq!(answer.code(), "", "after {sent_after:?}: {answer}");
                answered += usize::from(sent_after > back_after);
            }
        }
        (answered, answers)
    });
    let freeze = async {
        tokio::time::sleep(frozen_after + Duration::from_millis(200)).await;
        proxy.freeze();
    };
    let (counts, ()) = tokio::join!(join_all(clients), freeze);
    for (answered, answers) in counts {
        assert!(answered > 0, "none of {answers} after {back_after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn idle_connections_that_went_silent_are_replaced_before_use() {
    let Some((proxy, app)) = start().await else {
        return;
    };
    proxy.freeze();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let began = Instant::now();
    let answers = (0..4).map(|_| app.query("{ articles(limit: 1) { id } }"));
    for answer in join_all(answers).await {
        assert_eq!(answer.code(), "", "{answer}");
    }
    assert!(began.elapsed() < AWAY, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_silent_listening_connection_is_replaced() {
    let Some((proxy, app)) = start().await else {
        return;
    };
    // The listening connection is the one that has executed nothing except `LISTEN`.
    let listeners = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND (query LIKE 'LISTEN%' OR query LIKE '%NOTIFY%' OR query = '') AND backend_start > $1";
    let admin = connect(&app).await;
    let row = admin
        .query_one("SELECT clock_timestamp()", &[])
        .await
        .unwrap();
    let frozen_at: std::time::SystemTime = row.get(0);
    proxy.freeze();
    let began = Instant::now();
    loop {
        let row = admin.query_one(listeners, &[&frozen_at]).await.unwrap();
        let count: i64 = row.get(0);
        if count > 0 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "nobody listens again"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn connect(app: &TestApp) -> tokio_postgres::Client {
    let (_, name) = app.database.url.rsplit_once('/').unwrap();
    let url = postgres::admin_url().unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let url = format!("{server}/{name}");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
