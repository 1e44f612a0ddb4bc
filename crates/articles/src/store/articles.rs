//! Reading articles.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::connection::{Connection, read_rows};
use super::lookups::many;
use super::searched::load;
use super::sql::filter::Side;
use super::sql::select::{Keys, Select, Selection};
use super::sql::stored::Row;
use super::{Access, Store};
use crate::article::filter::Filter;
use crate::article::page::Cursor;
use crate::article::{Article, ArticleId, ArticleOrder, Columns};
use crate::budget::ResponseBudget;
use crate::error::Result;

/// The number of articles in the first batch of [`Store::all_articles`], and the maximum of later batches.
const FIRST_BATCH: usize = 50;
const BATCH: usize = 500;

/// The maximum bytes of text in a batch of [`Store::all_articles`], not counting its last article.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

impl Store {
    /// Articles by their ids; ids without an article are left out.
    ///
    /// # Errors
    /// [`crate::error::Error::TooLarge`] where their texts exceed the budget.
    pub async fn articles_by_id(
        &self,
        ids: Vec<ArticleId>,
        columns: Columns,
        budget: &ResponseBudget,
    ) -> Result<HashMap<ArticleId, Arc<Article>>> {
        let budget = budget.clone();
        self.run(Access::Read, move |connection| {
            Box::pin(async move {
                let mut articles = HashMap::with_capacity(ids.len());
                let read = |article: Article| {
                    budget.read(article.text.len())?;
                    articles.insert(article.id, Arc::new(article));
                    Ok(true)
                };
                budget.check()?;
                many(connection, Keys::Ids(ids), columns, read).await?;
                Ok(articles)
            })
        })
        .await
    }

    /// A part of the list of articles that match `filter`.
    ///
    /// # Errors
    /// [`crate::error::Error::TooLarge`] where their texts exceed the budget.
    pub async fn articles(
        &self,
        filter: Filter,
        order: ArticleOrder,
        limit: i64,
        offset: i64,
        columns: Columns,
        budget: &ResponseBudget,
    ) -> Result<Vec<Article>> {
        let select = Select {
            columns,
            selection: Selection::new(filter, order),
            reversed: false,
            limit,
            offset,
        };
        let access = match select.selection.has_filter() {
            true => Access::Scan,
            false => Access::Read,
        };
        let (estimates, budget) = (Arc::clone(&self.0.estimates), budget.clone());
        self.run(access, move |connection| {
            Box::pin(async move { load(&estimates, connection, select, &budget, usize::MAX).await })
        })
        .await
    }

    /// Every article, newest first, in batches.
    ///
    /// Each batch is a separate statement that continues after the previous one, so that a million articles take no
    /// more memory than ten, and a slow reader holds no connection. A batch has a few megabytes at most, or one
    /// article.
    pub fn all_articles(&self) -> impl Stream<Item = Result<Vec<Article>>> + Send + use<> {
        const ORDER: ArticleOrder = ArticleOrder::CreatedAtDesc;
        let store = self.clone();
        let first = Some((Selection::new(Filter::ALL, ORDER), FIRST_BATCH));
        try_unfold(first, move |next| {
            let store = store.clone();
            async move {
                let Some((selection, limit)) = next else {
                    return Ok(None);
                };
                let batch = store.batch(selection, limit).await?;
                let next = batch.next_limit.zip(batch.articles.last());
                let next = next.map(|(limit, last)| {
                    let place = Cursor::of(last, ORDER, 0).place;
                    let rest = Selection::new(Filter::ALL, ORDER).with(Side::After, place);
                    (rest, limit)
                });
                Ok((!batch.articles.is_empty()).then_some((batch.articles, next)))
            }
        })
    }

    async fn batch(&self, selection: Selection, limit: usize) -> Result<Batch> {
        let select = Select {
            columns: Columns::ALL,
            selection,
            reversed: false,
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            offset: 0,
        };
        self.run(Access::Read, move |connection| {
            Box::pin(async move {
                let mut articles: Vec<Article> = Vec::with_capacity(limit);
                let mut bytes = 0;
                read_rows!(connection, select, Row, |row| {
                    let article = Article::from(row);
                    bytes += article.text.len();
                    articles.push(article);
                    if bytes >= BATCH_BYTES {
                        break;
                    }
                });
                let count = articles.len();
                let has_ended = count < limit && bytes < BATCH_BYTES;
                // PostgreSQL keeps sending all rows of a statement, so the limit is the number that will probably fit.
                let fitting = BATCH_BYTES * count.max(1) / bytes.max(1);
                Ok(Batch {
                    articles,
                    next_limit: (!has_ended).then(|| fitting.clamp(1, BATCH)),
                })
            })
        })
        .await
    }
}

/// A batch of all articles.
struct Batch {
    articles: Vec<Article>,
    /// The limit of the next batch; `None` where this is the last.
    next_limit: Option<usize>,
}

/// The articles of a SELECT, as one statement. The texts of the first `counted` count towards the budget.
pub(super) async fn read(
    connection: &mut Connection<'_>,
    select: Select,
    budget: &ResponseBudget,
    counted: usize,
) -> Result<Vec<Article>> {
    let mut articles = Vec::new();
    read_rows!(connection, select, Row, |row| {
        let article = Article::from(row);
        if articles.len() < counted {
            budget.read(article.text.len())?;
        }
        articles.push(article);
    });
    Ok(articles)
}
