//! The databases of the benchmark: Broadsheet's own, created by `broadsheet migrate` and filled through its API, and a
//! bare table with the same articles for all others; and fresh copies of both for workloads that write.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{fs, io};

use anyhow::{Context as _, Result, bail, ensure};
use broadsheet_bench::article::Article;
use broadsheet_bench::cursor::Cursor;
use futures_util::SinkExt as _;
use rusqlite::params;
use serde_json::{Value, json};

use crate::generator::Connection;
use crate::options::{Contestant, Database, Options};
use crate::postgres::Server;
use crate::process::Process;

const BARE_POSTGRES: &str = "CREATE TABLE article (
        id uuid PRIMARY KEY, title varchar(65) NOT NULL, slug varchar(65) NOT NULL UNIQUE, text text NOT NULL,
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, version integer NOT NULL
    );
    CREATE INDEX article_created_at_id ON article (created_at, id)";
const BARE_SQLITE: &str = "PRAGMA journal_mode = WAL; CREATE TABLE article (
        id TEXT PRIMARY KEY, title TEXT NOT NULL, slug TEXT NOT NULL UNIQUE, text TEXT NOT NULL,
        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, version INTEGER NOT NULL
    );
    CREATE INDEX article_created_at_id ON article (created_at, id)";
/// The number of articles that one mutation creates.
const BATCH: u32 = 1000;
/// The page size for reading cursors.
const PAGE: u32 = 100;

/// Which tables a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tables {
    Broadsheet,
    /// Those of an earlier build, with its migrations.
    Before,
    Bare,
}

impl Tables {
    pub(crate) fn of(contestant: Contestant) -> Self {
        match contestant {
            Contestant::Broadsheet | Contestant::Token | Contestant::Jwt | Contestant::Memory => {
                Self::Broadsheet
            }
            Contestant::Before => Self::Before,
            Contestant::Floor | Contestant::Textbook | Contestant::Pgbench => Self::Bare,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Broadsheet => "broadsheet",
            Self::Before => "before",
            Self::Bare => "bare",
        }
    }

    fn copy_name(self) -> &'static str {
        match self {
            Self::Broadsheet => "broadsheet_copy",
            Self::Before => "before_copy",
            Self::Bare => "bare_copy",
        }
    }
}

/// The databases of all contestants.
pub(crate) struct Databases {
    pub(crate) options: Options,
    pub(crate) server: Option<Server>,
    /// The directory of the SQLite files and the logs.
    pub(crate) directory: PathBuf,
    broadsheet_cursors: Option<Arc<Vec<String>>>,
    before_cursors: Option<Arc<Vec<String>>>,
    bare_cursors: Arc<Vec<String>>,
}

impl Databases {
    /// Loads the articles into each database, once for each set of tables.
    pub(crate) async fn load(options: Options, directory: PathBuf) -> Result<Self> {
        let server = if options.databases.contains(&Database::Postgres) {
            Server::start()?
        } else {
            None
        };
        let cursors = (0..options.articles).map(|number| {
            let Article { id, created_at, .. } = Article::loaded(number);
            Cursor { created_at, id }.to_string()
        });
        let mut databases = Self {
            bare_cursors: Arc::new(cursors.collect()),
            options,
            server,
            directory,
            broadsheet_cursors: None,
            before_cursors: None,
        };
        for database in databases.options.databases.clone() {
            eprintln!("loading {}", database.title());
            databases.load_one(database).await?;
        }
        Ok(databases)
    }

    async fn load_one(&mut self, database: Database) -> Result<()> {
        match database {
            Database::Postgres => self.load_bare_postgres().await?,
            Database::Sqlite => self.load_bare_sqlite()?,
        }
        let program = self.options.broadsheet.clone();
        let cursors = self
            .load_with(&program, database, Tables::Broadsheet)
            .await?;
        // A cursor of one database is valid in the other: the articles and their times are the same.
        self.broadsheet_cursors
            .get_or_insert_with(|| Arc::new(cursors));
        if let Some(program) = self.options.before.clone() {
            let cursors = self.load_with(&program, database, Tables::Before).await?;
            self.before_cursors.get_or_insert_with(|| Arc::new(cursors));
        }
        Ok(())
    }

    /// Lets a build of Broadsheet create and fill its tables, and returns its cursor of each article.
    async fn load_with(
        &self,
        program: &Path,
        database: Database,
        tables: Tables,
    ) -> Result<Vec<String>> {
        let name = tables.name();
        if database == Database::Postgres {
            let create = format!("CREATE DATABASE {name}");
            self.server()?.execute("postgres", &[&create]).await?;
        }
        let url = self.url(database, name)?;
        let migrated = Command::new(program)
            .args(["migrate", "--database-url", &url])
            .current_dir(&self.directory)
            .output()
            .context("broadsheet migrate")?;
        let output = String::from_utf8_lossy(&migrated.stderr);
        ensure!(migrated.status.success(), "broadsheet migrate: {output}");

        let variables = [("DATABASE_URL", url.as_str())];
        let mut process = Process::start(program, &self.directory, &variables)?;
        process.wait_until_ready()?;
        create_all(process.port, self.options.articles)
            .await
            .with_context(|| process.log())?;
        let cursors = read_cursors(process.port, self.options.articles).await?;
        process.stop()?;
        match database {
            Database::Postgres => {
                let tidy = ["VACUUM (FREEZE, ANALYZE)", "CHECKPOINT"];
                self.server()?.execute(name, &tidy).await?;
            }
            Database::Sqlite => self.tidy_sqlite(name)?,
        }
        Ok(cursors)
    }

    async fn load_bare_postgres(&self) -> Result<()> {
        let server = self.server()?;
        let create = "CREATE DATABASE bare";
        server.execute("postgres", &[create]).await?;
        server.execute("bare", &[BARE_POSTGRES]).await?;
        let client = server.connect("bare").await?;
        let sink = client.copy_in("COPY article FROM STDIN").await?;
        let mut sink = std::pin::pin!(sink);
        for number in 0..self.options.articles {
            let article = Article::loaded(number);
            let at = article.created().to_rfc3339();
            let Article {
                id,
                title,
                slug,
                text,
                ..
            } = article;
            let line = format!("{id}\t{title}\t{slug}\t{text}\t{at}\t{at}\t1\n");
            sink.feed(axum::body::Bytes::from(line)).await?;
        }
        sink.finish().await?;
        let tidy = ["VACUUM (FREEZE, ANALYZE)", "CHECKPOINT"];
        server.execute("bare", &tidy).await
    }

    fn load_bare_sqlite(&self) -> Result<()> {
        let mut connection = rusqlite::Connection::open(self.path("bare"))?;
        connection.execute_batch(BARE_SQLITE)?;
        let transaction = connection.transaction()?;
        let mut insert =
            transaction.prepare("INSERT INTO article VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1)")?;
        for number in 0..self.options.articles {
            let Article {
                id,
                title,
                slug,
                text,
                created_at,
            } = Article::loaded(number);
            insert.execute(params![id.to_string(), title, slug, text, created_at])?;
        }
        drop(insert);
        transaction.commit()?;
        drop(connection);
        self.tidy_sqlite("bare")
    }

    fn tidy_sqlite(&self, name: &str) -> Result<()> {
        let connection = rusqlite::Connection::open(self.path(name))?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    pub(crate) fn server(&self) -> Result<&Server> {
        let missing = "`initdb`, `postgres` and `pgbench` are neither on the PATH, nor where `pg_config --bindir` \
            says, nor under /usr/lib/postgresql; --databases sqlite goes without";
        self.server.as_ref().context(missing)
    }

    /// The path of an SQLite database.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.db"))
    }

    /// The URL of a database by its name.
    pub(crate) fn url(&self, database: Database, name: &str) -> Result<String> {
        Ok(match database {
            Database::Postgres => self.server()?.url(name, self.options.socket),
            Database::Sqlite => format!("sqlite:{}", self.path(name).display()),
        })
    }

    /// The name of a new copy of the loaded database, to write to; the previous copy is removed.
    pub(crate) async fn fresh(&self, database: Database, tables: Tables) -> Result<&'static str> {
        let name = tables.copy_name();
        match database {
            Database::Postgres => self.server()?.copy(tables.name(), name).await?,
            Database::Sqlite => {
                for suffix in ["db-wal", "db-shm"] {
                    let _ = fs::remove_file(self.directory.join(format!("{name}.{suffix}")));
                }
                fs::copy(self.path(tables.name()), self.path(name))?;
            }
        }
        // The copy is on disk before anything is measured on it.
        Command::new("sync").status()?;
        Ok(name)
    }

    /// Reads an SQLite file into the page cache, as PostgreSQL has its tables in its buffers. Otherwise the first
    /// contestant would read it from disk.
    pub(crate) fn read_through(&self, database: Database, name: &str) -> Result<()> {
        if database == Database::Sqlite {
            io::copy(&mut fs::File::open(self.path(name))?, &mut io::sink())?;
        }
        Ok(())
    }

    /// The cursor of each loaded article, by number.
    pub(crate) fn cursors(&self, contestant: Contestant) -> Arc<Vec<String>> {
        let cursors = match contestant {
            Contestant::Broadsheet | Contestant::Token | Contestant::Jwt => {
                self.broadsheet_cursors.as_ref()
            }
            Contestant::Before => self.before_cursors.as_ref(),
            _ => None,
        };
        Arc::clone(cursors.unwrap_or(&self.bare_cursors))
    }
}

/// Creates the articles through Broadsheet's API.
async fn create_all(port: u16, articles: u32) -> Result<()> {
    let mut connection = Connection::open(port).await?;
    for first in (0..articles).step_by(BATCH as usize) {
        let inputs = (first..articles.min(first + BATCH)).map(|number| {
            let article = Article::loaded(number);
            let created_at = article.created().to_rfc3339();
            let Article {
                title, slug, text, ..
            } = article;
            json!({ "title": title, "slug": slug, "text": text, "createdAt": created_at })
        });
        let document = "mutation ($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { version } }";
        let variables = json!({ "inputs": inputs.collect::<Vec<_>>() });
        graphql(&mut connection, document, &variables).await?;
    }
    Ok(())
}

/// Reads Broadsheet's cursor of each article.
async fn read_cursors(port: u16, articles: u32) -> Result<Vec<String>> {
    let document = "query ($first: Int!, $after: String) { articlesConnection(orderBy: CREATED_AT_DESC, first: $first, \
        after: $after) { edges { cursor } } }";
    let mut connection = Connection::open(port).await?;
    let mut cursors: Vec<String> = Vec::new();
    while cursors.len() < articles as usize {
        let variables = json!({ "first": PAGE, "after": cursors.last() });
        let data = graphql(&mut connection, document, &variables).await?;
        let edges = data.pointer("/articlesConnection/edges");
        let edges = edges.and_then(Value::as_array).context("no edges")?;
        ensure!(!edges.is_empty(), "{} articles are there", cursors.len());
        let read = edges.iter().filter_map(|edge| edge["cursor"].as_str());
        cursors.extend(read.map(str::to_owned));
    }
    // The API returns the newest first.
    cursors.reverse();
    Ok(cursors)
}

/// The data of an operation; an error if it has errors.
pub(crate) async fn graphql(
    connection: &mut Connection,
    document: &str,
    variables: &Value,
) -> Result<Value> {
    let body = json!({ "query": document, "variables": variables }).to_string();
    let length = body.len();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
        accept: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let answer = connection.exchange(request.as_bytes()).await?;
    let mut answer: Value = serde_json::from_slice(answer)?;
    if let Some(errors) = answer.get("errors") {
        bail!("{errors}");
    }
    Ok(answer["data"].take())
}
