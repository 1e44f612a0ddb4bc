//! The databases of the tests, a separate one for each test.

use std::sync::Arc;

use broadsheet::store::{self, Migrate, Store};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::{Settings, clock};
use crate::postgres::{self, TestDatabase};

/// The databases on which tests of the contract run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// A database for one test, without tables; `None` if this machine has no PostgreSQL.
    pub(crate) async fn empty(self) -> Option<OwnDatabase> {
        match self {
            Self::Sqlite => Some(OwnDatabase::file()),
            Self::Postgres => Some(OwnDatabase::server(postgres::bare_database().await?)),
        }
    }

    /// A database for one test, with all tables and no articles.
    pub(crate) async fn migrated(self) -> Option<OwnDatabase> {
        match self {
            Self::Sqlite => Some(OwnDatabase::file()),
            Self::Postgres => Some(OwnDatabase::server(postgres::database(prepare).await?)),
        }
    }
}

/// Fills the template of all PostgreSQL databases. SQLite has none: migrating each file is faster.
pub(crate) async fn prepare(url: &str) {
    let Settings { database, .. } = Settings::new(url, &[]);
    store::migrate(&database, Migrate::Up).await.unwrap();
}

/// A database of one test, removed with its last clone.
#[derive(Clone)]
pub(crate) struct OwnDatabase {
    /// A URL for `DATABASE_URL`.
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

    /// The number of rows of a table.
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

    /// Executes SQL as an external writer.
    pub(crate) async fn execute(&self, sql: &str) {
        match &*self.kept {
            Kept::Sqlite { .. } => self.sqlite(sql).await,
            Kept::Postgres { .. } => postgres::execute(&self.url, sql).await,
        }
    }

    /// The error of the database for SQL of an external writer; an empty text if there is none.
    pub(crate) async fn sql_error(&self, sql: &str) -> String {
        match &*self.kept {
            Kept::Sqlite { .. } => {
                let (path, sql) = (self.path(), sql.to_owned());
                let rejected = tokio::task::spawn_blocking(move || {
                    let mut connection = SqliteConnection::establish(&path).unwrap();
                    connection.batch_execute(&sql).err()
                });
                rejected.await.unwrap().map(|error| error.to_string())
            }
            Kept::Postgres { .. } => {
                let (client, connection) =
                    tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
                        .await
                        .unwrap();
                tokio::spawn(connection);
                let rejected = client.batch_execute(sql).await.err();
                rejected.map(|error| error.as_db_error().unwrap().message().to_owned())
            }
        }
        .unwrap_or_default()
    }

    /// Inserts this number of articles. Three each have the same time; each text has `text_bytes` bytes.
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

    /// Blocks all writes of articles until the lock is dropped. Reads continue.
    pub(crate) async fn lock_writes(&self) -> Lock {
        match &*self.kept {
            Kept::Sqlite { .. } => {
                let mut connection = SqliteConnection::establish(&self.path()).unwrap();
                let begin = "PRAGMA busy_timeout = 60000; BEGIN IMMEDIATE";
                connection.batch_execute(begin).unwrap();
                Lock::Sqlite(connection)
            }
            Kept::Postgres { .. } => self.lock_table("EXCLUSIVE").await,
        }
    }

    /// Blocks all reads of articles on PostgreSQL until the lock is dropped.
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
