//! The floor on SQLite: rusqlite, a few readers and one writer, each statement prepared once per connection. Statements
//! run on tokio's threads for blocking work.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use broadsheet_bench::contestant::POOL_SIZE;
use broadsheet_bench::cursor::Cursor;
use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::{Article, NewArticle, NewlyMade};

const BY_SLUG: &str =
    "SELECT id, title, slug, text, created_at, updated_at FROM article WHERE slug = ?1";
const NEWEST: &str = "SELECT id, title, slug, text, created_at, updated_at FROM article \
    ORDER BY created_at DESC, id DESC LIMIT ?1";
const AFTER: &str = "SELECT id, title, slug, text, created_at, updated_at FROM article \
    WHERE (created_at, id) < (?1, ?2) ORDER BY created_at DESC, id DESC LIMIT ?3";
const CREATE: &str = "INSERT INTO article (id, title, slug, text, created_at, updated_at, version) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1)";

#[derive(Clone)]
pub(crate) struct Store {
    readers: Pool,
    writer: Pool,
}

/// A pool of connections, each of which is lent to one caller; the last one returned is lent first.
#[derive(Clone)]
struct Pool {
    connections: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Store {
    pub(crate) fn open(path: &str) -> Result<Self> {
        Ok(Self {
            writer: Pool::open(path, 1)?,
            readers: Pool::open(path, POOL_SIZE)?,
        })
    }

    pub(crate) async fn by_slug(&self, slug: String) -> Result<Option<Article>> {
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(BY_SLUG)?;
            Ok(statement.query_row([slug], article).optional()?)
        };
        self.readers.run(read).await
    }

    pub(crate) async fn newest(&self, limit: i64) -> Result<Vec<Article>> {
        self.articles(NEWEST, [limit]).await
    }

    pub(crate) async fn after(&self, after: Cursor, limit: i64) -> Result<Vec<Article>> {
        self.articles(AFTER, (after.created_at, after.id.to_string(), limit))
            .await
    }

    pub(crate) async fn create(&self, new: NewArticle) -> Result<NewlyMade> {
        let write = move |connection: &Connection| {
            let created = NewlyMade::new(new.slug);
            connection.prepare_cached(CREATE)?.execute(params![
                created.id.to_string(),
                new.title,
                created.slug,
                new.text,
                created.created_at.timestamp_micros(),
            ])?;
            Ok(created)
        };
        self.writer.run(write).await
    }

    async fn articles(
        &self,
        sql: &'static str,
        parameters: impl Params + Send + 'static,
    ) -> Result<Vec<Article>> {
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(parameters, article)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        self.readers.run(read).await
    }
}

impl Pool {
    fn open(path: &str, size: usize) -> Result<Self> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "busy_timeout", 5000)?;
            Ok(connection)
        };
        let connections: Vec<_> = (0..size).map(|_| open()).collect::<Result<_>>()?;
        Ok(Self {
            connections: Arc::new(Mutex::new(connections)),
            free: Arc::new(Semaphore::new(size)),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.free).acquire_owned().await?;
        let connections = Arc::clone(&self.connections);
        spawn_blocking(move || {
            let lock = || connections.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = lock().pop();
            let connection =
                taken.ok_or_else(|| anyhow::anyhow!("a permit came without a connection"))?;
            let done = work(&connection);
            lock().push(connection);
            drop(permit);
            done
        })
        .await?
    }
}

fn article(row: &Row<'_>) -> rusqlite::Result<Article> {
    let id: String = row.get(0)?;
    Ok(Article {
        id: id.parse().unwrap_or_default(),
        title: row.get(1)?,
        slug: row.get(2)?,
        text: row.get(3)?,
        created_at: DateTime::from_timestamp_micros(row.get(4)?).unwrap_or_default(),
        updated_at: DateTime::from_timestamp_micros(row.get(5)?).unwrap_or_default(),
    })
}
