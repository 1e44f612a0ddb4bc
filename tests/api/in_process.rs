//! The API in the process of the test, without a server: for tests that execute thousands of operations, or many at
//! the same time.

use broadsheet::api::{Api, ApiSettings, ExecutionResult};
use broadsheet::clock::{Clock, Timestamp};
use broadsheet::feed::Feed;
use broadsheet::store::Store;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::support::{Database, NOW, OwnDatabase, Settings};

diesel::define_sql_function! {
    /// The SQL function that the server's statements on SQLite call for each row to check their time limit.
    fn within_time_limit(row: diesel::sql_types::BigInt) -> diesel::sql_types::Bool;
}

/// An [`InProcess`] on `database`; returns from the test where there is no such database on this machine.
macro_rules! in_process {
    ($database:expr) => {
        match $crate::in_process::InProcess::start($database).await {
            Some(app) => app,
            None => return,
        }
    };
}
pub(crate) use in_process;

/// An API on its own database, with a fixed clock and consecutive ids.
pub(crate) struct InProcess {
    pub(crate) store: Store,
    pub(crate) api: Api,
    pub(crate) clock: Clock,
    pub(crate) direct: Direct,
    // Last, so that it is dropped after all connections.
    pub(crate) database: OwnDatabase,
}

/// A connection that bypasses the server, like that of another program.
pub(crate) enum Direct {
    Sqlite(std::sync::Mutex<SqliteConnection>),
    Postgres(tokio_postgres::Client),
}

impl InProcess {
    /// `None` where there is no such database on this machine.
    pub(crate) async fn start(database: Database) -> Option<Self> {
        Self::start_with(database, &[]).await
    }

    /// As [`start`](Self::start), with further flags of the program.
    pub(crate) async fn start_with(database: Database, flags: &[&str]) -> Option<Self> {
        let own = database.migrated().await?;
        let settings = Settings::new(&own.url, flags);
        let clock = Clock::fixed(NOW.parse().unwrap());
        let store = Store::open(&settings.database, clock.clone(), true)
            .await
            .unwrap();
        let feed = Feed::start(store.clone(), settings.server.change_retention);
        Some(Self {
            api: Api::new(store.clone(), feed, ApiSettings::default()).unwrap(),
            store,
            clock,
            direct: Direct::connect(&own.url).await,
            database: own,
        })
    }

    /// Moves the clock to this number of microseconds after [`NOW`].
    pub(crate) fn at(&self, micros: i64) {
        let now: Timestamp = NOW.parse().unwrap();
        let then = Timestamp::from_micros(now.as_micros() + micros).unwrap();
        self.clock.set(then);
    }

    /// The whole response to a document with variables.
    pub(crate) async fn ask_with(&self, document: &str, variables: Value) -> Value {
        match self
            .api
            .prepare(document, None, &variables.as_object().unwrap().into())
        {
            Ok(operation) => match self.api.execute(&operation, "the-request-id").await.result {
                ExecutionResult::Response(body) | ExecutionResult::Replayed(body) => {
                    serde_json::from_slice(&body.json).unwrap()
                }
                ExecutionResult::Unavailable(errors)
                | ExecutionResult::Internal(errors)
                | ExecutionResult::KeyReused(errors)
                | ExecutionResult::Invalid(errors) => json!({ "errors": *errors }),
            },
            Err(errors) => json!({ "errors": *errors }),
        }
    }

    /// The `data` of a response without errors.
    pub(crate) async fn data(&self, document: &str, variables: Value) -> Value {
        let mut answer = self.ask_with(document, variables).await;
        assert!(answer.get("errors").is_none(), "{document}: {answer}");
        answer["data"].take()
    }
}

impl Direct {
    async fn connect(url: &str) -> Self {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let mut connection = SqliteConnection::establish(path).unwrap();
            connection
                .batch_execute("PRAGMA busy_timeout = 10000")
                .unwrap();
            within_time_limit_utils::register_impl(&mut connection, |_: i64| true).unwrap();
            return Self::Sqlite(std::sync::Mutex::new(connection));
        }
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        Self::Postgres(client)
    }

    /// Runs statements and ignores their results.
    pub(crate) async fn run(&self, statements: &str) {
        match self {
            Self::Sqlite(connection) => {
                let mut connection = connection.lock().unwrap();
                connection.batch_execute(statements).unwrap();
            }
            Self::Postgres(client) => client.batch_execute(statements).await.unwrap(),
        }
    }

    /// The plan of a statement, one line per step.
    pub(crate) async fn plan(&self, statement: &str) -> String {
        #[derive(diesel::QueryableByName)]
        struct Step {
            #[diesel(sql_type = diesel::sql_types::Text)]
            detail: String,
        }
        let lines: Vec<String> = match self {
            Self::Sqlite(connection) => {
                let explain = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"));
                let steps: Vec<Step> = explain.load(&mut *connection.lock().unwrap()).unwrap();
                steps.into_iter().map(|step| step.detail).collect()
            }
            Self::Postgres(client) => {
                let explain = format!("EXPLAIN {statement}");
                let rows = client.query(&explain, &[]).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        };
        lines.join("\n")
    }
}
