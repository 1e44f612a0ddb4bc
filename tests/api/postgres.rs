//! The PostgreSQL server of the tests: `TEST_DATABASE_URL`, or a temporary server for this process, which the first
//! test that needs it starts with the PostgreSQL programs on the machine.
//!
//! Each test gets its own database, copied from a template that is prepared once. If there is neither a URL nor
//! programs, `build/postgres.rs` marks the tests that need PostgreSQL as ignored, except under CI. Such a test fails
//! if it is run nevertheless.

mod server;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::NoTls;

pub(crate) use server::{DURABLE, Server, programs};

/// How long a statement may take, so that a test fails instead of hanging.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A database for one test. It is dropped with this value, even if there are connections to it.
pub(crate) struct TestDatabase {
    /// A URL for `DATABASE_URL`.
    pub(crate) url: String,
    name: String,
    template: Option<&'static Template>,
}

/// The template of the databases, locked while it is copied, because PostgreSQL requires that nobody uses it then.
type Template = Mutex<Copied>;

struct Copied {
    name: Option<String>,
    /// The number of existing copies; with the last one the template is dropped from an external server.
    copies: usize,
}

impl Copied {
    const fn none() -> Template {
        Mutex::const_new(Self {
            name: None,
            copies: 0,
        })
    }
}

/// Creates a database as a copy of the template. The first call creates the template and lets `prepare` fill it, given
/// its URL. All callers in one process must pass the same `prepare`.
pub(crate) async fn database(prepare: impl AsyncFnOnce(&str)) -> Option<TestDatabase> {
    static TEMPLATE: Template = Copied::none();
    copy(&TEMPLATE, prepare).await
}

/// Creates an empty database.
pub(crate) async fn bare_database() -> Option<TestDatabase> {
    Some(create(admin_url()?, None, "").await)
}

/// Creates an empty database with an encoding other than UTF-8.
pub(crate) async fn ascii_database() -> Option<TestDatabase> {
    let clause = "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'";
    Some(create(admin_url()?, None, clause).await)
}

async fn copy(
    template: &'static Template,
    prepare: impl AsyncFnOnce(&str),
) -> Option<TestDatabase> {
    let admin_url = admin_url()?;
    let mut copied = template.lock().await;
    if copied.name.is_none() {
        let name = random_name("template");
        execute(admin_url, &format!("CREATE DATABASE {name}")).await;
        prepare(&with_database(admin_url, &name)).await;
        // Connections that `prepare` left open would prevent copies.
        let close = format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false");
        execute(admin_url, &close).await;
        let disconnect = format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        execute(admin_url, &disconnect).await;
        copied.name = Some(name);
    }
    let clause = format!("TEMPLATE {}", copied.name.as_ref().unwrap());
    let database = create(admin_url, Some(template), &clause).await;
    copied.copies += 1;
    Some(database)
}

/// The URL of a superuser's connection to the server that [`database`] uses.
///
/// # Panics
///
/// Where there is no server.
pub(crate) fn admin_url() -> Option<&'static str> {
    static ADMIN_URL: OnceLock<Option<String>> = OnceLock::new();
    ADMIN_URL
        .get_or_init(|| {
            if let Some(url) = external_url() {
                return Some(url);
            }
            let server = own_server().expect(
                "no PostgreSQL: TEST_DATABASE_URL is not set, and `initdb` and `postgres` are neither on the PATH, nor \
                 where `pg_config --bindir` says, nor under /usr/lib/postgresql",
            );
            Some(server.admin_url())
        })
        .as_deref()
}

/// The temporary server of this process, started by the first call; `None` if the programs are missing.
pub(crate) fn own_server() -> Option<&'static Server> {
    // A static is never dropped: the server exits when its input is closed, at the end of this process.
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER
        .get_or_init(|| Some(Server::start(&programs()?, &[], &[])))
        .as_ref()
}

fn external_url() -> Option<String> {
    let url = std::env::var_os("TEST_DATABASE_URL").filter(|url| !url.is_empty())?;
    Some(url.into_string().expect("TEST_DATABASE_URL is UTF-8"))
}

async fn create(
    admin_url: &str,
    template: Option<&'static Template>,
    clause: &str,
) -> TestDatabase {
    let name = random_name("t");
    // Four times as fast as the default, which also writes every page to the log.
    let statement = format!("CREATE DATABASE {name} {clause} STRATEGY file_copy");
    execute(admin_url, &statement).await;
    TestDatabase {
        url: with_database(admin_url, &name),
        name,
        template,
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(admin_url) = admin_url() else {
            return;
        };
        let name = std::mem::take(&mut self.name);
        let template = self.template;
        let tidy_up = async move {
            execute(admin_url, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
            let Some(template) = template else {
                return;
            };
            let mut copied = template.lock().await;
            copied.copies -= 1;
            // A process cannot know which test is its last. On an external server the test that drops the last copy
            // therefore drops the template too; the next test creates it again.
            if copied.copies == 0
                && external_url().is_some()
                && let Some(name) = copied.name.take()
            {
                execute(admin_url, &format!("DROP DATABASE {name}")).await;
            }
        };
        // A separate thread, because the test's runtime is busy with the test.
        let thread = std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(tidy_up);
        });
        let dropped = thread.join().is_ok();
        assert!(
            dropped || std::thread::panicking(),
            "the database of a test could not be dropped"
        );
    }
}

/// Runs one statement on a separate connection, for statements that cannot be in a transaction.
pub(crate) async fn execute(url: &str, statement: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("the tests' PostgreSQL refuses the connection: {error:?}"));
    let connection = tokio::spawn(connection);
    timeout(TIMEOUT, client.batch_execute(statement))
        .await
        .unwrap_or_else(|_| panic!("{statement}: no response"))
        .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    drop(client);
    connection.await.unwrap().unwrap();
}

/// The same server's URL for another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..]
        .find('/')
        .map_or(address.len(), |at| authority + at);
    format!("{}/{name}{parameters}", &address[..end])
}

fn random_name(kind: &str) -> String {
    format!("{kind}_{:016x}", RandomState::new().build_hasher().finish())
}

#[test]
fn the_url_of_another_database_keeps_the_other_parts() {
    for (url, expected) in [
        ("postgres://a@b:1/c", "postgres://a@b:1/new"),
        ("postgres://a@b:1", "postgres://a@b:1/new"),
        (
            "postgresql://a:x@b/c?sslmode=disable",
            "postgresql://a:x@b/new?sslmode=disable",
        ),
        ("postgres:///c?host=/run", "postgres:///new?host=/run"),
    ] {
        assert_eq!(with_database(url, "new"), expected);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    async fn connect(url: &str) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn count(client: &tokio_postgres::Client, query: &str) -> i64 {
        client.query_one(query, &[]).await.unwrap().get(0)
    }

    #[tokio::test]
    #[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
    async fn each_test_gets_its_own_copy_of_a_template_that_is_prepared_once() {
        // Not the one of `database`, which all other tests share.
        static TEMPLATE: Template = Copied::none();
        if admin_url().is_none() {
            return;
        }
        let mut databases = Vec::new();
        let mut prepared = 0;
        for _ in 0..3 {
            let database = copy(&TEMPLATE, async |url| {
                prepared += 1;
                execute(url, "CREATE TABLE leaf (n int)").await;
                // An open connection must not prevent copies.
                std::mem::forget(connect(url).await);
            })
            .await
            .unwrap();
            databases.push(database);
        }
        assert_eq!(prepared, 1);
        execute(&databases[0].url, "CREATE TABLE own (n int)").await;
        let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'own'";
        assert_eq!(count(&connect(&databases[0].url).await, there).await, 1);
        let other = connect(&databases[1].url).await;
        assert_eq!(count(&other, there).await, 0);
        assert_eq!(count(&other, "SELECT count(*) FROM leaf").await, 0);
    }

    #[tokio::test]
    #[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
    async fn many_databases_can_be_created_concurrently() {
        static TEMPLATE: Template = Copied::none();
        if admin_url().is_none() {
            return;
        }
        let copies = (0..8).map(|_| copy(&TEMPLATE, async |_| ()));
        let bare = (0..8).map(|_| bare_database());
        let (copies, bare) = tokio::join!(join_all(copies), join_all(bare));
        for database in copies.iter().chain(&bare).flatten() {
            connect(&database.url).await;
        }
        assert_eq!(copies.iter().chain(&bare).flatten().count(), 16);
    }

    #[tokio::test]
    #[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
    async fn a_bare_database_is_empty_utf_8_and_knows_icu() {
        let Some(database) = bare_database().await else {
            return;
        };
        let client = connect(&database.url).await;
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(count(&client, tables).await, 0);
        let row = client
            .query_one(
                "SELECT current_setting('server_encoding'), lower('É' COLLATE \"und-x-icu\")",
                &[],
            )
            .await
            .unwrap();
        assert_eq!((row.get(0), row.get(1)), ("UTF8", "é"));
    }

    #[tokio::test]
    #[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
    async fn a_database_is_dropped_even_with_open_connections() {
        let Some(database) = bare_database().await else {
            return;
        };
        let name = database.name.clone();
        let _still_connected = connect(&database.url).await;
        drop(database);
        let client = connect(admin_url().unwrap()).await;
        let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        assert_eq!(count(&client, &there).await, 0);
    }
}
