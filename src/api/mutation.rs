//! The mutations. Each is a transaction of its own.

use async_graphql::{Context, ID, Object};

use super::direct::{Many, One};
use super::input::{CreateArticleInput, UpdateArticleInput, at_most};
use super::output::{Article, columns};
use super::store;
use crate::article::ArticleId;
use crate::error::{Error, Result};

/// The most articles that are created at once.
pub(super) const MAX_ARTICLES: usize = 1_000;

/// The root of all mutations.
pub struct Mutation;

// The results stand within the `Option`s, because the engine takes a field's error for that of the whole answer
// where it is the other way round.
#[Object]
impl Mutation {
    async fn create_article(
        &self,
        ctx: &Context<'_>,
        input: CreateArticleInput,
    ) -> Option<Result<One<Article>>> {
        Some(create_article(ctx, input).await)
    }

    /// All or none, in one transaction; at most 1000.
    async fn create_articles(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<CreateArticleInput>,
    ) -> Option<Result<Many<Article>>> {
        Some(create_articles(ctx, inputs).await)
    }

    async fn update_article(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: UpdateArticleInput,
        expected_version: Option<i32>,
    ) -> Option<Result<One<Article>>> {
        Some(update_article(ctx, &id, input, expected_version).await)
    }

    /// Answers with the article as it was.
    async fn delete_article(
        &self,
        ctx: &Context<'_>,
        id: ID,
        expected_version: Option<i32>,
    ) -> Option<Result<One<Article>>> {
        Some(delete_article(ctx, &id, expected_version).await)
    }
}

async fn create_article(ctx: &Context<'_>, input: CreateArticleInput) -> Result<One<Article>> {
    let new = input.into_new_article("input")?;
    let article = store(ctx)?.create_article(new, "input").await?;
    Ok(One(Article::new(article)))
}

async fn create_articles(
    ctx: &Context<'_>,
    inputs: Vec<CreateArticleInput>,
) -> Result<Many<Article>> {
    at_most("inputs", &inputs, MAX_ARTICLES)?;
    let new = inputs
        .into_iter()
        .enumerate()
        .map(|(index, input)| input.into_new_article(&format!("inputs.{index}")))
        .collect::<Result<Vec<_>>>()?;
    let articles = store(ctx)?.create_articles(new, "inputs").await?;
    Ok(Many(articles.into_iter().map(Article::new).collect()))
}

async fn update_article(
    ctx: &Context<'_>,
    id: &str,
    input: UpdateArticleInput,
    expected_version: Option<i32>,
) -> Result<One<Article>> {
    let edit = input.into_edit("input")?;
    let id = ArticleId::parse(id).ok_or(Error::NotFound)?;
    let article = store(ctx)?
        .update_article(id, edit, expected_version, columns(ctx), "input")
        .await?;
    Ok(One(Article::new(article)))
}

async fn delete_article(
    ctx: &Context<'_>,
    id: &str,
    expected_version: Option<i32>,
) -> Result<One<Article>> {
    let id = ArticleId::parse(id).ok_or(Error::NotFound)?;
    let article = store(ctx)?
        .delete_article(id, expected_version, columns(ctx))
        .await?;
    Ok(One(Article::new(article)))
}
