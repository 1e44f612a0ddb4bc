//! The floor on PostgreSQL: deadpool-postgres with its defaults, each statement prepared once per connection.

use anyhow::Result;
use broadsheet_bench::contestant::POOL_SIZE;
use broadsheet_bench::cursor::Cursor;
use chrono::{DateTime, Utc};
use deadpool_postgres::{Manager, Pool};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use crate::{Article, NewArticle, NewlyMade};

const BY_SLUG: &str =
    "SELECT id, title, slug, text, created_at, updated_at FROM article WHERE slug = $1";
const NEWEST: &str = "SELECT id, title, slug, text, created_at, updated_at FROM article \
    ORDER BY created_at DESC, id DESC LIMIT $1";
const AFTER: &str = "SELECT id, title, slug, text, created_at, updated_at FROM article \
    WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT $3";
const CREATE: &str = "INSERT INTO article (id, title, slug, text, created_at, updated_at, version) \
    VALUES ($1, $2, $3, $4, $5, $5, 1)";

#[derive(Clone)]
pub(crate) struct Store(Pool);

impl Store {
    pub(crate) fn open(url: &str) -> Result<Self> {
        let manager = Manager::new(url.parse()?, NoTls);
        Ok(Self(Pool::builder(manager).max_size(POOL_SIZE).build()?))
    }

    pub(crate) async fn by_slug(&self, slug: &str) -> Result<Option<Article>> {
        let client = self.0.get().await?;
        let statement = client.prepare_cached(BY_SLUG).await?;
        let row = client.query_opt(&statement, &[&slug]).await?;
        row.as_ref().map(article).transpose()
    }

    pub(crate) async fn newest(&self, limit: i64) -> Result<Vec<Article>> {
        self.articles(NEWEST, &[&limit]).await
    }

    pub(crate) async fn after(&self, after: Cursor, limit: i64) -> Result<Vec<Article>> {
        let created_at =
            DateTime::<Utc>::from_timestamp_micros(after.created_at).unwrap_or_default();
        self.articles(AFTER, &[&created_at, &after.id, &limit])
            .await
    }

    pub(crate) async fn create(&self, new: NewArticle) -> Result<NewlyMade> {
        let client = self.0.get().await?;
        let statement = client.prepare_cached(CREATE).await?;
        let created = NewlyMade::new(new.slug);
        client
            .execute(
                &statement,
                &[
                    &created.id,
                    &new.title,
                    &created.slug,
                    &new.text,
                    &created.created_at,
                ],
            )
            .await?;
        Ok(created)
    }

    async fn articles(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Article>> {
        let client = self.0.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, parameters).await?;
        rows.iter().map(article).collect()
    }
}

fn article(row: &Row) -> Result<Article> {
    Ok(Article {
        id: row.try_get(0)?,
        title: row.try_get(1)?,
        slug: row.try_get(2)?,
        text: row.try_get(3)?,
        created_at: row.try_get(4)?,
        updated_at: row.try_get(5)?,
    })
}
