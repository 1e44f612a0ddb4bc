//! The queries.

use async_graphql::{Context, Object};

use super::input::{ArticleBy, ArticleOrder, within};
use super::output::{Article, columns};
use super::store;
use crate::error::Result;

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
}
