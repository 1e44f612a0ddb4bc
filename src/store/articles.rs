//! Reading articles.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::condition::Side;
use super::connection::{Connection, run};
use super::lookups::many;
use super::select::{Keys, Select, Selection};
use super::stored::Row;
use super::{Access, Store};
use crate::article::filter::Filter;
use crate::article::page::Cursor;
use crate::article::{Article, ArticleId, ArticleOrder, Columns};
use crate::error::Result;

/// How many articles [`Store::all_articles`] reads with a statement.
const BATCH: i64 = 500;

impl Store {
    /// Articles by their ids; those that are not there are left out.
    pub async fn articles_by_id(
        &self,
        ids: Vec<ArticleId>,
        columns: Columns,
    ) -> Result<HashMap<ArticleId, Arc<Article>>> {
        self.run(Access::Read, move |connection| {
            Box::pin(async move {
                let articles = many(connection, Keys::Ids(ids), columns).await?;
                let articles = articles.into_iter().map(Arc::new);
                Ok(articles.map(|article| (article.id, article)).collect())
            })
        })
        .await
    }

    /// A part of the list of the articles that `filter` matches.
    pub async fn articles(
        &self,
        filter: Filter,
        order: ArticleOrder,
        limit: i64,
        offset: i64,
        columns: Columns,
    ) -> Result<Vec<Article>> {
        self.select(Select {
            columns,
            selection: Selection::new(filter, order),
            reversed: false,
            limit,
            offset,
        })
        .await
    }

    /// Every article, newest first, a batch at a time.
    ///
    /// Each batch is a statement of its own that begins where the last one ended, so that a million articles take
    /// no more memory than ten, and a slow reader holds no connection.
    pub fn all_articles(&self) -> impl Stream<Item = Result<Vec<Article>>> + Send + use<> {
        const ORDER: ArticleOrder = ArticleOrder::CreatedAtDesc;
        let store = self.clone();
        let first = Some(Selection::new(Filter::ALL, ORDER));
        try_unfold(first, move |selection| {
            let store = store.clone();
            async move {
                let Some(selection) = selection else {
                    return Ok(None);
                };
                let select = Select {
                    columns: Columns::ALL,
                    selection,
                    reversed: false,
                    limit: BATCH,
                    offset: 0,
                };
                let batch = store.select(select).await?;
                let next = batch.last().map(|last| {
                    let place = Cursor::of(last, ORDER, 0).place;
                    Selection::new(Filter::ALL, ORDER).with(Side::After, place)
                });
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

/// The articles of a SELECT.
pub(super) async fn load(connection: &mut Connection<'_>, select: Select) -> Result<Vec<Article>> {
    let rows: Vec<Row> = run!(connection, |c| select.load(c))?;
    Ok(rows.into_iter().map(Article::from).collect())
}
