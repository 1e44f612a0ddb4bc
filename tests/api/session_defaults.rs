//! Settings of a PostgreSQL role or database that would change the meaning of the server's statements.

use futures_util::future::join_all;
use serde_json::json;

use crate::program::Program;
use crate::support::{Database, OwnDatabase, TestApp};

/// A database whose sessions start with this setting.
async fn database_with(setting: &str) -> Option<OwnDatabase> {
    let database = Database::Postgres.migrated().await?;
    let (_, name) = database.url.rsplit_once('/').unwrap();
    let sql = format!("ALTER DATABASE {name} SET {setting}");
    database.execute(&sql).await;
    Some(database)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn concurrent_writes_succeed_under_any_default_isolation() {
    for level in ["repeatable read", "serializable"] {
        let setting = format!("default_transaction_isolation = '{level}'");
        let Some(database) = database_with(&setting).await else {
            return;
        };
        let app = TestApp::start_on(&database, &[]).await;
        let created = app.create(json!({ "title": "one", "text": "" })).await;
        let id = &created.json()["data"]["createArticle"]["id"];
        let update =
            format!("mutation {{ updateArticle(id: {id}, input: {{ text: \"x\" }}) {{ id }} }}");
        let many = "mutation { createArticles(inputs: [{ title: \"a\", text: \"\" }, { title: \"b\", text: \"\" }]) { id } }";
        let writes = (0..150).map(async |number| match number % 3 {
            0 => app.create(json!({ "title": "a", "text": "" })).await,
            1 => app.query(&update).await,
            _ => app.query(many).await,
        });
        for answer in join_all(writes).await {
            assert_eq!(answer.code(), "", "{level}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn the_log_warns_if_acknowledged_writes_may_be_lost() {
    let Some(database) = database_with("synchronous_commit = off").await else {
        return;
    };
    let mut program = Program::start(&database.url, &[]).await;
    program.logged("synchronous_commit is off").await;
}
