//! The textbook's resolvers on SQLite, which stores ids as text and instants as microseconds since 1970.

use async_graphql::connection::{self, Connection, Edge};
use async_graphql::{Context, Object, Result};
use broadsheet_bench::contestant::POOL_SIZE;
use broadsheet_bench::cursor::Cursor;
use chrono::{DateTime, Utc};
use diesel::ConnectionError;
use diesel::prelude::*;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, deadpool};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;
use uuid::Uuid;

use crate::{Article, ArticleBy, CreateArticleInput, PageCursor};

diesel::table! {
    article (id) {
        id -> Text,
        title -> Text,
        slug -> Text,
        text -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> Integer,
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = article)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
struct Row {
    id: String,
    title: String,
    slug: String,
    text: String,
    created_at: i64,
    updated_at: i64,
    version: i32,
}

impl From<Row> for Article {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            title: row.title,
            slug: row.slug,
            text: row.text,
            created_at: DateTime::from_timestamp_micros(row.created_at).unwrap_or_default(),
            updated_at: DateTime::from_timestamp_micros(row.updated_at).unwrap_or_default(),
            version: row.version,
        }
    }
}

const PRAGMAS: &str =
    "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";

type Sqlite = SyncConnectionWrapper<SqliteConnection>;

pub(crate) type Pool = deadpool::Pool<Sqlite>;

pub(crate) fn pool(path: &str) -> anyhow::Result<Pool> {
    let mut config = ManagerConfig::default();
    config.custom_setup = Box::new(|path| {
        async move {
            let mut connection = Sqlite::establish(path).await?;
            connection
                .batch_execute(PRAGMAS)
                .await
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(connection)
        }
        .boxed()
    });
    let manager = AsyncDieselConnectionManager::<Sqlite>::new_with_config(path, config);
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
                let found = query.filter(article::id.eq(id.0));
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
                // Written so that the index serves it: diesel does not compare rows.
                let before = article::created_at.lt(created_at);
                let beside = article::id.lt(id.to_string());
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
                    let id = Uuid::parse_str(&row.id)?;
                    let cursor = Cursor {
                        created_at: row.created_at,
                        id,
                    };
                    Ok(Edge::new(PageCursor(cursor), row.into()))
                })
                .collect::<Result<_>>()?;
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
        let now = Utc::now().timestamp_micros();
        let row = Row {
            id: Uuid::now_v7().to_string(),
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
