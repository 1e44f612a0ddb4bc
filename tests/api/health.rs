//! `/health/live` and `/health/ready`.

use rstest_reuse::apply;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::postgres::{Server, programs};
use crate::support::{
    Answer, Database, Settings, assert_answer, client, clock, on_both_databases, start,
};

#[apply(on_both_databases)]
async fn a_server_with_its_database_is_alive_and_ready(database: Database) {
    let app = start!(database);
    assert_answer!(app.get("/health/live").await, @"alive");
    assert_answer!(app.get("/health/ready").await, @"ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn a_server_without_its_database_is_alive_but_not_ready() {
    let Some(programs) = programs() else { return };
    let start = || Server::start(&programs, &[], &[]);
    let postgres = tokio::task::block_in_place(start);
    let flags = ["--db-connect-timeout=1s", "--db-wait-timeout=1s"];
    let Settings {
        server, database, ..
    } = Settings::new(&postgres.admin_url(), &flags);
    let store = broadsheet::store::Store::open(&database, clock(), true)
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (clock, stop) = (clock(), CancellationToken::new());
        broadsheet::server::run(listener, &server, store, clock, stop).await
    });
    let get = async |path| Answer::to(client().get(format!("http://{address}{path}"))).await;
    assert_eq!(get("/health/ready").await.status, 200);

    tokio::task::block_in_place(|| drop(postgres));
    assert_answer!(get("/health/ready").await, @"
    503
    the database does not answer
    ");
    assert_eq!(get("/health/live").await.status, 200);
    assert_answer!(get("/api/v1/articles/").await, @r#"
    503
    {
      "errors": [
        {
          "message": "the database cannot be reached at the moment",
          "extensions": {
            "code": "UNAVAILABLE"
          }
        }
      ]
    }
    "#);
    let query = client()
        .post(format!("http://{address}/graphql"))
        .json(&serde_json::json!({ "query": "{ articles { id } }" }));
    assert_answer!(Answer::to(query).await, @r#"
    503
    {
      "errors": [
        {
          "message": "the server cannot reach its database at the moment; try again later",
          "locations": [
            {
              "line": 1,
              "column": 3
            }
          ],
          "path": [
            "articles"
          ],
          "extensions": {
            "code": "UNAVAILABLE"
          }
        }
      ]
    }
    "#);
}
