//! Reading articles.

use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::connection::{Connection, run};
use super::select::{Condition, Row, Select};
use super::{Access, Store};
use crate::article::{Article, ArticleKey, ArticleOrder, Columns};
use crate::error::Result;

/// How many articles [`Store::all_articles`] reads with a statement.
const BATCH: i64 = 500;

impl Store {
    /// One article by its id or slug.
    pub async fn article(&self, key: ArticleKey, columns: Columns) -> Result<Option<Article>> {
        let select = Select {
            columns,
            condition: match key {
                ArticleKey::Id(id) => Condition::Id(id),
                ArticleKey::Slug(slug) => Condition::Slug(slug),
            },
            order: ArticleOrder::CreatedAtDesc,
            limit: 1,
            offset: 0,
        };
        Ok(self.select(select).await?.pop())
    }

    /// A part of the list of all articles.
    pub async fn articles(
        &self,
        order: ArticleOrder,
        limit: i64,
        offset: i64,
        columns: Columns,
    ) -> Result<Vec<Article>> {
        let select = Select {
            columns,
            condition: Condition::All,
            order,
            limit,
            offset,
        };
        self.select(select).await
    }

    /// Every article, newest first, a batch at a time.
    ///
    /// Each batch is a statement of its own that begins where the last one ended, so that a million articles take
    /// no more memory than ten, and a slow reader holds no connection.
    pub fn all_articles(&self) -> impl Stream<Item = Result<Vec<Article>>> + Send + use<> {
        let store = self.clone();
        let first = Some(Condition::All);
        try_unfold(first, move |condition| {
            let store = store.clone();
            async move {
                let Some(condition) = condition else {
                    return Ok(None);
                };
                let select = Select {
                    columns: Columns::ALL,
                    condition,
                    order: ArticleOrder::CreatedAtDesc,
                    limit: BATCH,
                    offset: 0,
                };
                let batch = store.select(select).await?;
                let next = batch
                    .last()
                    .filter(|_| batch.len() as i64 == BATCH)
                    .map(|last| Condition::After(last.created_at, last.id));
                Ok((!batch.is_empty()).then_some((batch, next)))
            }
        })
    }

    async fn select(&self, select: Select) -> Result<Vec<Article>> {
        self.run(Access::Read, |connection| {
            Box::pin(load(connection, select))
        })
        .await
    }
}

async fn load(connection: &mut Connection<'_>, select: Select) -> Result<Vec<Article>> {
    let rows: Vec<Row> = run!(connection, |c| select.load(c))?;
    Ok(rows.into_iter().map(Article::from).collect())
}
