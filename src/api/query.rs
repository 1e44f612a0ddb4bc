//! The queries.

use async_graphql::{Context, ID, Object};

use super::changes::{self, feed};
use super::cursor_before::CursorBefore;
use super::error::{FieldError, Result};
use super::filter::{ArticleFilter, FilterLimits, filter};
use super::input::{ArticleBy, ArticleOrder, at_most, within};
use super::json::operation_context::budget;
use super::json::prewritten::{PrewrittenList, PrewrittenObject};
use super::selection::{columns, texts_of_changes, wanted};
use super::store;
use super::types::{Article, ArticleChangeKind, ArticleChangePage, ArticleConnection, Node};
use crate::article::page::{Cursor, End, PageRequest};
use crate::article::{self, ArticleId, ArticleKey};
use crate::error::Error;

/// The default size of a page.
const PAGE_SIZE: i32 = 20;
/// The maximum size of a page, and the maximum number of ids of `nodes`.
const MAX_PAGE_SIZE: i32 = 100;
const MAX_IDS: usize = 100;

/// The root of all queries.
pub struct Query;

// Filters are boxed, because they are large, and the future of every query has room for the largest of these resolvers.
// Nullable fields return `Option<Result<T>>`: with `Result<Option<T>>` async-graphql nulls the whole response on an error.
#[Object]
impl Query {
    /// One article by its id or its slug; null where there is none.
    async fn article(
        &self,
        ctx: &Context<'_>,
        by: ArticleBy,
    ) -> Option<Result<PrewrittenObject<Article>>> {
        match by.into_key().transpose()? {
            Ok(key) => Some(find(ctx, key).await.transpose()?.map(PrewrittenObject)),
            Err(error) => Some(Err(error)),
        }
    }

    /// A plain list. `limit` is 1 to 100.
    async fn articles(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "filter")] given: Option<Box<ArticleFilter>>,
        #[graphql(default_with = "ArticleOrder::CreatedAtDesc")] order_by: ArticleOrder,
        #[graphql(default = 20)] limit: i32,
        #[graphql(default = 0)] offset: i32,
    ) -> Result<PrewrittenList<Article>> {
        let searches = given.as_deref().is_some_and(ArticleFilter::searches);
        let filter = filter(given.map(|given| *given), "filter", limits(ctx))?;
        let order = order(order_by, searches)?;
        let limit = within("limit", limit, 1, MAX_PAGE_SIZE)?;
        let offset = within("offset", offset, 0, i32::MAX)?;
        let (limit, offset) = (limit.into(), offset.into());
        let articles = store(ctx)?
            .articles(filter, order, limit, offset, columns(ctx), budget(ctx)?)
            .await?;
        Ok(PrewrittenList(
            articles.into_iter().map(Article::new).collect(),
        ))
    }

    /// The same articles as a Relay connection. `first` or `last` is 0 to 100; without either, 20 from the start.
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the arguments of the field"
    )]
    async fn articles_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "filter")] given: Option<Box<ArticleFilter>>,
        #[graphql(default_with = "ArticleOrder::CreatedAtDesc")] order_by: ArticleOrder,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<ArticleConnection> {
        let searches = given.as_deref().is_some_and(ArticleFilter::searches);
        let filter = filter(given.map(|given| *given), "filter", limits(ctx))?;
        let order = order(order_by, searches)?;
        let (size, end) = match (first, last) {
            (Some(_), Some(_)) => {
                return Err(FieldError::invalid(
                    "last",
                    "first and last cannot be combined; use first from the beginning of the list, or last from its end",
                ));
            }
            (None, Some(last)) => (within("last", last, 0, MAX_PAGE_SIZE)?, End::Back),
            (first, None) => {
                let first = first.unwrap_or(PAGE_SIZE);
                (within("first", first, 0, MAX_PAGE_SIZE)?, End::Front)
            }
        };
        // Apollo's relayStylePagination turns the null cursor of an empty page into this.
        let cursor = |field: &str, text: Option<String>| {
            let text = text.filter(|text| !text.is_empty());
            text.map(|text| Cursor::decode(&text, order))
                .transpose()
                .map_err(|violation| FieldError::at(field, violation))
        };
        let request = PageRequest {
            filter,
            order,
            size: usize::try_from(size).unwrap_or_default(),
            end,
            after: cursor("after", after)?,
            before: cursor("before", before)?,
            wanted: wanted(ctx),
        };
        let page = store(ctx)?.page(request, budget(ctx)?).await?;
        Ok(ArticleConnection(page))
    }

    async fn node(&self, ctx: &Context<'_>, id: ID) -> Option<Result<Node>> {
        let key = ArticleKey::Id(ArticleId::parse(&id)?);
        let article = find(ctx, key).await.transpose()?;
        Some(article.map(Node::Article))
    }

    /// In the order of `ids`, with null where there is none; at most 100 ids.
    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Node>>> {
        at_most("ids", &ids, MAX_IDS)?;
        let ids: Vec<_> = ids.iter().map(|id| ArticleId::parse(id)).collect();
        let known = ids.iter().copied().flatten().collect();
        let articles = store(ctx)?
            .articles_by_id(known, columns(ctx), budget(ctx)?)
            .await?;
        let node = |id| articles.get(&id).cloned().map(Article).map(Node::Article);
        Ok(ids.into_iter().map(|id| id.and_then(node)).collect())
    }

    /// Where the feed of changes stands now. Ask for it together with a list, then subscribe with it
    /// as `after`: nothing that happened in between is missed, because it is read before the lists of its document.
    async fn article_changes_cursor(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let cursor = match ctx.data_opt::<CursorBefore>() {
            Some(CursorBefore(cursor)) => cursor.clone()?,
            None => feed(ctx)?.head().await?,
        };
        Ok(cursor.to_string())
    }

    /// The feed for clients that poll: the changes that follow `after`, oldest first. `first` is 1 to 500.
    async fn article_changes(
        &self,
        ctx: &Context<'_>,
        after: String,
        #[graphql(default = 100)] first: i32,
        kinds: Option<Vec<ArticleChangeKind>>,
        article_ids: Option<Vec<ID>>,
    ) -> Result<ArticleChangePage> {
        let after = changes::cursor(&after)?;
        let first = usize::try_from(within("first", first, 1, 500)?).map_err(Error::internal)?;
        let filter = changes::filter(kinds, article_ids)?;
        let (budget, texts) = (budget(ctx)?, texts_of_changes(ctx));
        // How many changes fit on a page depends on the pages before it.
        let _lock = budget.lock().await;
        budget.check()?;
        // Half of the bytes left, because a text takes more as JSON.
        let text_bytes = (texts > 0).then(|| budget.left_to_read() / 2 / texts);
        let page = feed(ctx)?.page(after, first, filter, text_bytes).await?;
        if texts > 0 {
            let articles = page.changes.iter().flat_map(|change| &change.article);
            budget.read(articles.map(|article| article.text.len() * texts).sum())?;
        }
        Ok(page.into())
    }
}

async fn find(ctx: &Context<'_>, key: ArticleKey) -> Result<Option<Article>> {
    let (budget, columns) = (budget(ctx)?, columns(ctx));
    budget.check()?;
    let article = store(ctx)?.article(key, columns).await?;
    if let Some(article) = article.as_ref().filter(|_| columns.text) {
        budget.read(article.text.len())?;
    }
    Ok(article.map(Article))
}

fn limits(ctx: &Context<'_>) -> FilterLimits {
    ctx.data_opt().copied().unwrap_or_default()
}

/// Relevance is measured by the search at the top level of the filter, so one must be given there. If it is empty or
/// finds nothing, all articles are equally relevant.
fn order(given: ArticleOrder, searches: bool) -> Result<article::ArticleOrder> {
    if given == ArticleOrder::Relevance && !searches {
        return Err(FieldError::invalid(
            "orderBy",
            "RELEVANCE needs a search at the top level of the filter",
        ));
    }
    Ok(given.into())
}
