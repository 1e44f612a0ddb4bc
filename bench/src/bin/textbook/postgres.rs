//! The textbook's resolvers on PostgreSQL.

use async_graphql::connection::{self, Connection, Edge};
use async_graphql::{Context, Object, Result};
use broadsheet_bench::contestant::POOL_SIZE;
use broadsheet_bench::cursor::Cursor;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{Article, ArticleBy, CreateArticleInput, PageCursor};

diesel::table! {
    article (id) {
        id -> Uuid,
        title -> Text,
        slug -> Text,
        text -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> Integer,
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = article)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    title: String,
    slug: String,
    text: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i32,
}

impl From<Row> for Article {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            title: row.title,
            slug: row.slug,
            text: row.text,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

pub(crate) type Pool = deadpool::Pool<AsyncPgConnection>;

pub(crate) fn pool(url: &str) -> anyhow::Result<Pool> {
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(url);
    Ok(Pool::builder(manager).max_size(POOL_SIZE).build()?)
}

pub(crate) struct Query;

#[Object]
impl Query {
    async fn article(&self, ctx: &Context<'_>, by: ArticleBy) -> Result<Option<Article>> {
        let mut connection = ctx.data::<Pool>()?.get().await?;
        let query = article::table.select(Row::as_select());
        let row = match by {
            ArticleBy::Id(id) => {
                let id = Uuid::parse_str(&id)?;
                let found = query.filter(article::id.eq(id));
                found.first(&mut connection).await.optional()?
            }
            ArticleBy::Slug(slug) => {
                let found = query.filter(article::slug.eq(slug));
                found.first(&mut connection).await.optional()?
            }
        };
        Ok(row.map(Row::into))
    }

    async fn articles(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20)] limit: i32,
    ) -> Result<Vec<Article>> {
        let mut connection = ctx.data::<Pool>()?.get().await?;
        let rows = article::table
            .order((article::created_at.desc(), article::id.desc()))
            .limit(limit.into())
            .select(Row::as_select())
            .load(&mut connection)
            .await?;
        Ok(rows.into_iter().map(Row::into).collect())
    }

    async fn articles_connection(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Result<Connection<PageCursor, Article>> {
        let page = async |after: Option<PageCursor>, _, first: Option<usize>, _| {
            let limit = first.unwrap_or(20);
            let mut connection = ctx.data::<Pool>()?.get().await?;
            let mut query = article::table
                .order((article::created_at.desc(), article::id.desc()))
                .limit(i64::try_from(limit)? + 1)
                .select(Row::as_select())
                .into_boxed();
            let has_previous = after.is_some();
            if let Some(PageCursor(Cursor { created_at, id })) = after {
                let created_at = DateTime::<Utc>::from_timestamp_micros(created_at)
                    .ok_or("a cursor of no instant")?;
                // Written so that the index serves it: diesel does not compare rows.
                let before = article::created_at.lt(created_at);
                let beside = article::id.lt(id);
                query = query
                    .filter(article::created_at.le(created_at))
                    .filter(before.or(beside));
            }
            let rows: Vec<Row> = query.load(&mut connection).await?;
            let mut page = Connection::new(has_previous, rows.len() > limit);
            page.edges = rows
                .into_iter()
                .take(limit)
                .map(|row| {
                    let created_at = row.created_at.timestamp_micros();
                    let cursor = Cursor {
                        created_at,
                        id: row.id,
                    };
                    Edge::new(PageCursor(cursor), row.into())
                })
                .collect();
            Ok::<_, async_graphql::Error>(page)
        };
        connection::query(after, before, first, last, page).await
    }
}

pub(crate) struct Mutation;

#[Object]
impl Mutation {
    async fn create_article(
        &self,
        ctx: &Context<'_>,
        input: CreateArticleInput,
    ) -> Result<Option<Article>> {
        let mut connection = ctx.data::<Pool>()?.get().await?;
        let now = Utc::now();
        let row = Row {
            id: Uuid::now_v7(),
            title: input.title,
            slug: input.slug,
            text: input.text,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let row: Row = diesel::insert_into(article::table)
            .values(&row)
            .returning(Row::as_returning())
            .get_result(&mut connection)
            .await?;
        Ok(Some(row.into()))
    }
}
