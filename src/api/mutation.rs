//! The mutations. Each is a transaction of its own.

use async_graphql::{Context, Object};

use super::input::CreateArticleInput;
use super::output::Article;
use super::store;
use crate::error::Result;

/// The root of all mutations.
pub struct Mutation;

#[Object]
impl Mutation {
    async fn create_article(
        &self,
        ctx: &Context<'_>,
        input: CreateArticleInput,
    ) -> Result<Option<Article>> {
        let new = input.into_new_article("input")?;
        let article = store(ctx)?.create_article(new, "input").await?;
        Ok(Some(Article(article)))
    }
}
