//! A whole server for one test: [`TestApp`], with its own database, a clock that stands still and ids that count.
//!
//! A test of the contract is written once and runs on both databases by `#[apply(on_both_databases)]`. Where there
//! is no PostgreSQL its case for it is ignored.

use std::net::SocketAddr;
use std::sync::Arc;

use broadsheet::article::{NewArticle, Slug, Text, Title};
use broadsheet::clock::{Clock, Timestamp};
use broadsheet::config::{DatabaseSettings, ServerSettings};
use broadsheet::server::{self, ServeError};
use broadsheet::store::{self, Migrate, Store};
use clap::builder::Resettable;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use rstest_reuse::template;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::postgres::{self, TestDatabase};

/// When the clock of a [`TestApp`] stands still, until the test sets it.
pub(crate) const NOW: &str = "2026-01-31T09:30:00Z";

#[template]
#[rstest::rstest]
#[case::sqlite($crate::support::Database::Sqlite)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
#[case::postgres($crate::support::Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) fn on_both_databases(#[case] database: Database) {}

/// Starts a server on `database`, with further flags of the program where they are given; returns from the test
/// where there is no such database on this machine.
macro_rules! start {
    ($database:expr $(, $flag:expr)* $(,)?) => {
        match $crate::support::TestApp::start($database, &[$($flag),*]).await {
            Some(app) => app,
            None => return,
        }
    };
}
pub(crate) use start;

/// Compares an [`Answer`], or anything else that is shown as text, with an inline snapshot, which holds for both
/// databases.
macro_rules! assert_answer {
    ($answer:expr, @$snapshot:literal) => {{
        let answer = $answer.to_string();
        insta::allow_duplicates! { insta::assert_snapshot!(answer, @$snapshot) }
    }};
}
pub(crate) use assert_answer;

/// The databases that the contract holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// A database for one test, without any table; `None` where this machine has no PostgreSQL.
    pub(crate) async fn empty(self) -> Option<OwnDatabase> {
        match self {
            Self::Sqlite => Some(OwnDatabase::file()),
            Self::Postgres => Some(OwnDatabase::server(postgres::bare_database().await?)),
        }
    }

    /// A database for one test, with all tables and no article.
    pub(crate) async fn migrated(self) -> Option<OwnDatabase> {
        match self {
            Self::Sqlite => Some(OwnDatabase::file()),
            Self::Postgres => Some(OwnDatabase::server(postgres::database(prepare).await?)),
        }
    }
}

/// Fills the template of all PostgreSQL databases. On SQLite it is faster to migrate each file.
pub(crate) async fn prepare(url: &str) {
    let Settings { database, .. } = Settings::new(url, &[]);
    store::migrate(&database, Migrate::Up).await.unwrap();
}

/// A database of one test, gone with the last clone of it.
#[derive(Clone)]
pub(crate) struct OwnDatabase {
    /// As `DATABASE_URL` has it.
    pub(crate) url: String,
    kept: Arc<Kept>,
}

enum Kept {
    Sqlite { _directory: TempDir },
    Postgres { _database: TestDatabase },
}

impl OwnDatabase {
    fn file() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("broadsheet-test-")
            .tempdir()
            .unwrap();
        Self {
            url: format!("sqlite:{}", directory.path().join("articles.db").display()),
            kept: Arc::new(Kept::Sqlite {
                _directory: directory,
            }),
        }
    }

    fn server(database: TestDatabase) -> Self {
        Self {
            url: database.url.clone(),
            kept: Arc::new(Kept::Postgres {
                _database: database,
            }),
        }
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        match &*self.kept {
            Kept::Sqlite { .. } => {
                let path = self.path();
                let count = tokio::task::spawn_blocking(move || {
                    use diesel::RunQueryDsl as _;
                    let mut connection = SqliteConnection::establish(&path).unwrap();
                    let rows = diesel::dsl::sql::<diesel::sql_types::BigInt>(&sql);
                    rows.get_result(&mut connection).unwrap()
                });
                count.await.unwrap()
            }
            Kept::Postgres { .. } => {
                let (client, connection) =
                    tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
                        .await
                        .unwrap();
                tokio::spawn(connection);
                client.query_one(&sql, &[]).await.unwrap().get(0)
            }
        }
    }

    /// Runs SQL on it, as another program does.
    pub(crate) async fn execute(&self, sql: &str) {
        match &*self.kept {
            Kept::Sqlite { .. } => self.sqlite(sql).await,
            Kept::Postgres { .. } => postgres::execute(&self.url, sql).await,
        }
    }

    /// Why it refuses SQL of another program; an empty text where it does not.
    pub(crate) async fn refusal(&self, sql: &str) -> String {
        match &*self.kept {
            Kept::Sqlite { .. } => {
                let (path, sql) = (self.path(), sql.to_owned());
                let refused = tokio::task::spawn_blocking(move || {
                    let mut connection = SqliteConnection::establish(&path).unwrap();
                    connection.batch_execute(&sql).err()
                });
                refused.await.unwrap().map(|error| error.to_string())
            }
            Kept::Postgres { .. } => {
                let (client, connection) =
                    tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
                        .await
                        .unwrap();
                tokio::spawn(connection);
                let refused = client.batch_execute(sql).await.err();
                refused.map(|error| error.as_db_error().unwrap().message().to_owned())
            }
        }
        .unwrap_or_default()
    }

    /// Inserts so many articles, of which always three are from one moment. The text of each has `text_bytes`.
    pub(crate) async fn fill(&self, count: usize, text_bytes: usize) {
        let sql = match &*self.kept {
            Kept::Sqlite { .. } => format!(
                "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
                 INSERT INTO article (id, title, slug, text, created_at, updated_at, version)
                 SELECT randomblob(16), 'Article ' || n, 'article-' || n, printf('%.*c', {text_bytes}, 'x'),
                     1767225600000000 + n / 3, 1767225600000000, 1 FROM numbers"
            ),
            Kept::Postgres { .. } => format!(
                "INSERT INTO article (id, title, slug, text, created_at, updated_at, version)
                 SELECT gen_random_uuid(), 'Article ' || n, 'article-' || n, repeat('x', {text_bytes}),
                     timestamptz '2026-01-01Z' + n / 3 * interval '1 us', '2026-01-01Z', 1
                 FROM generate_series(1, {count}) n"
            ),
        };
        self.execute(&sql).await;
    }

    /// Keeps everybody from writing articles until the lock is dropped. Reading goes on.
    pub(crate) async fn lock_writes(&self) -> Lock {
        match &*self.kept {
            Kept::Sqlite { .. } => {
                let mut connection = SqliteConnection::establish(&self.path()).unwrap();
                connection.batch_execute("BEGIN IMMEDIATE").unwrap();
                Lock::Sqlite(connection)
            }
            Kept::Postgres { .. } => self.lock_table("EXCLUSIVE").await,
        }
    }

    /// Keeps everybody from reading articles on PostgreSQL until the lock is dropped.
    pub(crate) async fn lock_reads(&self) -> Lock {
        self.lock_table("ACCESS EXCLUSIVE").await
    }

    async fn lock_table(&self, mode: &str) -> Lock {
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
            .batch_execute(&format!("BEGIN; LOCK TABLE article IN {mode} MODE"))
            .await
            .unwrap();
        Lock::Postgres(client)
    }

    async fn sqlite(&self, sql: &str) {
        let (path, sql) = (self.path(), sql.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut connection = SqliteConnection::establish(&path).unwrap();
            connection
                .batch_execute("PRAGMA busy_timeout = 60000")
                .unwrap();
            connection.batch_execute(&sql).unwrap();
        })
        .await
        .unwrap();
    }

    fn path(&self) -> String {
        self.url.strip_prefix("sqlite:").unwrap().to_owned()
    }

    /// Opens a store on it, as a server does at its start.
    pub(crate) async fn open(&self, flags: &[&str]) -> Result<Store, store::OpenError> {
        let Settings {
            database,
            no_migrate,
            ..
        } = Settings::new(&self.url, flags);
        Store::open(&database, clock(), !no_migrate).await
    }
}

/// See [`OwnDatabase::lock_writes`].
#[expect(dead_code, reason = "the lock goes when the connection is dropped")]
pub(crate) enum Lock {
    Sqlite(SqliteConnection),
    Postgres(tokio_postgres::Client),
}

/// The settings of a server, as the flags of the program give them; the environment is not asked.
#[derive(Debug, Parser)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) server: ServerSettings,
    #[command(flatten)]
    pub(crate) database: DatabaseSettings,
    #[arg(long)]
    pub(crate) no_migrate: bool,
}

impl Settings {
    pub(crate) fn new(url: &str, flags: &[&str]) -> Self {
        let database = format!("--database-url={url}");
        let flags = ["broadsheet", &database]
            .into_iter()
            .chain(flags.iter().copied());
        let command = Self::command().mut_args(|argument| argument.env(Resettable::Reset));
        Self::from_arg_matches(&command.get_matches_from(flags)).unwrap()
    }
}

/// A clock that stands at [`NOW`] and numbers its ids.
pub(crate) fn clock() -> Clock {
    Clock::fixed(instant(NOW))
}

/// The instant that the text gives.
pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A server that runs in this process.
pub(crate) struct TestApp {
    pub(crate) store: Store,
    /// Decides when articles are created; see [`TestApp::at`].
    pub(crate) clock: Clock,
    pub(crate) address: SocketAddr,
    pub(crate) database: OwnDatabase,
    client: reqwest::Client,
    stop: CancellationToken,
    server: JoinHandle<Result<(), ServeError>>,
}

impl TestApp {
    /// Starts a server on a new database; `None` where there is none of the kind on this machine.
    pub(crate) async fn start(database: Database, flags: &[&str]) -> Option<Self> {
        Some(Self::start_on(&database.migrated().await?, flags).await)
    }

    /// Starts a server on a database that there is, which other servers may use too.
    pub(crate) async fn start_on(database: &OwnDatabase, flags: &[&str]) -> Self {
        let settings = Settings::new(&database.url, flags);
        let clock = clock();
        let store = Store::open(&settings.database, clock.clone(), !settings.no_migrate)
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn({
            let (store, clock, stop) = (store.clone(), clock.clone(), stop.clone());
            async move { server::run(listener, &settings.server, store, clock, stop).await }
        });
        Self {
            store,
            clock,
            address,
            database: database.clone(),
            client: client(),
            stop,
            server,
        }
    }

    /// Moves the clock.
    pub(crate) fn at(&self, now: &str) {
        self.clock.set(instant(now));
    }

    /// The answer to a GraphQL document without variables.
    pub(crate) async fn query(&self, document: &str) -> Answer {
        self.graphql(&json!({ "query": document })).await
    }

    /// The answer to `createArticle` with this input, given as a variable.
    pub(crate) async fn create(&self, input: serde_json::Value) -> Answer {
        let query = "mutation($input: CreateArticleInput!) { createArticle(input: $input) \
            { id title slug text createdAt updatedAt version } }";
        self.graphql(&json!({ "query": query, "variables": { "input": input } }))
            .await
    }

    /// The answer to a GraphQL request.
    pub(crate) async fn graphql(&self, request: &serde_json::Value) -> Answer {
        let url = self.url("/graphql");
        Answer::to(self.client.post(url).json(request)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(path)).await
    }

    /// A GET request that is to be completed and sent.
    pub(crate) fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Lets the server end as SIGTERM does, and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // Else the connections that it keeps would count as requests that may still come.
        drop(self.client);
        self.server.await.unwrap().unwrap();
    }
}

/// A client that asks no proxy and follows no redirect.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// An article that may be given to the store.
pub(crate) fn article(title: &str, slug: Option<&str>, created_at: Option<&str>) -> NewArticle {
    NewArticle {
        title: Title::new(title.to_owned()).unwrap(),
        slug: slug.map(|slug| Slug::new(slug.to_owned()).unwrap()),
        text: Text::new(format!("About {title}.")).unwrap(),
        created_at: created_at.map(instant),
    }
}

/// A whole answer. Shown, it is its JSON, after its status where that is not 200.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The `code` of the first error, or an empty text.
    pub(crate) fn code(&self) -> String {
        let code = &self.json()["errors"][0]["extensions"]["code"];
        code.as_str().unwrap_or_default().to_owned()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.status != 200 {
            writeln!(f, "{}", self.status)?;
        }
        // A value of GraphQL, because it keeps the order of its fields.
        match serde_json::from_str::<async_graphql::Value>(&self.body) {
            Ok(json) => f.write_str(&serde_json::to_string_pretty(&json).unwrap()),
            Err(_) => f.write_str(&self.body),
        }
    }
}
