//! The queries.

use async_graphql::{Context, ID, Object};

use super::changes::{ArticleChangeKind, ArticleChangePage, CursorBefore, cursor, feed, filter};
use super::input::{ArticleBy, ArticleOrder, within};
use super::output::{Article, columns};
use super::store;
use crate::error::{Error, Result};

/// The root of all queries.
pub struct Query;

#[Object]
impl Query {
    /// One article by its id or its slug; null where there is none.
    async fn article(&self, ctx: &Context<'_>, by: ArticleBy) -> Result<Option<Article>> {
        let Some(key) = by.into_key()? else {
            return Ok(None);
        };
        let article = store(ctx)?.article(key, columns(ctx)).await?;
        Ok(article.map(Article))
    }

    /// A plain list. `limit` is 1 to 100.
    async fn articles(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "ArticleOrder::CreatedAtDesc")] order_by: ArticleOrder,
        #[graphql(default = 20)] limit: i32,
        #[graphql(default = 0)] offset: i32,
    ) -> Result<Vec<Article>> {
        let limit = within("limit", limit, 1, 100)?;
        let offset = within("offset", offset, 0, i32::MAX)?;
        let articles = store(ctx)?
            .articles(order_by.into(), limit, offset, columns(ctx))
            .await?;
        Ok(articles.into_iter().map(Article).collect())
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
        let after = cursor(&after)?;
        let first = usize::try_from(within("first", first, 1, 500)?).map_err(Error::internal)?;
        let filter = filter(kinds, article_ids)?;
        let selection = ctx.look_ahead().field("changes").field("article");
        let text = selection.field("text").exists();
        let page = feed(ctx)?.page(after, first, filter, text).await?;
        Ok(page.into())
    }
}
