//! The mutations. Each is a transaction of its own.

use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use super::error::{FieldError, Result};
use super::idempotency::{many, one, requested_key};
use super::input::{CreateArticleInput, UpdateArticleInput, at_most};
use super::json::mutation_result::MutationResult;
use super::json::operation_context::budget;
use super::json::prewritten::{PrewrittenList, PrewrittenObject, bytes_left_after};
use super::selection::{columns, texts};
use super::store;
use super::types::Article;
use crate::article::{self, ArticleEdit, ArticleId, MAX_CHARS, NewArticle, Slug, Title};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::idempotency::Write;

/// The maximum number of articles in one mutation.
pub(super) const MAX_ARTICLES: usize = 1_000;

/// The path of the slug of an article that is created or updated.
const SLUG: &str = "input.slug";

/// The root of all mutations.
pub struct Mutation;

// Nullable fields return `Option<Result<T>>`: with `Result<Option<T>>` async-graphql nulls the whole response on an error.
#[Object]
impl Mutation {
    async fn create_article(
        &self,
        ctx: &Context<'_>,
        input: CreateArticleInput,
    ) -> Option<Result<MutationResult<PrewrittenObject<Article>>>> {
        Some(create_article(ctx, input).await)
    }

    /// All or none, in one transaction; at most 1000.
    async fn create_articles(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<CreateArticleInput>,
    ) -> Option<Result<MutationResult<PrewrittenList<Article>>>> {
        Some(create_articles(ctx, inputs).await)
    }

    async fn update_article(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: UpdateArticleInput,
        expected_version: Option<i32>,
    ) -> Option<Result<MutationResult<PrewrittenObject<Article>>>> {
        Some(update_article(ctx, &id, input, expected_version).await)
    }

    /// Answers with the article as it was.
    async fn delete_article(
        &self,
        ctx: &Context<'_>,
        id: ID,
        expected_version: Option<i32>,
    ) -> Option<Result<MutationResult<PrewrittenObject<Article>>>> {
        Some(delete_article(ctx, &id, expected_version).await)
    }
}

async fn create_article(
    ctx: &Context<'_>,
    input: CreateArticleInput,
) -> Result<MutationResult<PrewrittenObject<Article>>> {
    let new = input.into_new_article("input")?;
    bytes_left_after(ctx, [&new].map(largest))?;
    let created = match requested_key(ctx) {
        Some(key) => one(ctx, key, Write::CreateOne(new)).await,
        None => store(ctx)?.create_article(new).await.map(fresh),
    };
    created.map_err(|error| FieldError::of_slugs(error, |_| SLUG.to_owned()))
}

async fn create_articles(
    ctx: &Context<'_>,
    inputs: Vec<CreateArticleInput>,
) -> Result<MutationResult<PrewrittenList<Article>>> {
    at_most("inputs", &inputs, MAX_ARTICLES)?;
    let new = inputs
        .into_iter()
        .enumerate()
        .map(|(index, input)| input.into_new_article(&format!("inputs.{index}")))
        .collect::<Result<Vec<_>>>()?;
    bytes_left_after(ctx, new.iter().map(largest))?;
    let created = if let Some(key) = requested_key(ctx) {
        many(ctx, key, Write::CreateMany(new)).await
    } else {
        let articles = store(ctx)?.create_articles(new).await;
        articles.map(|articles| {
            MutationResult::Fresh(PrewrittenList(
                articles.into_iter().map(Article::new).collect(),
            ))
        })
    };
    created.map_err(|error| FieldError::of_slugs(error, |index| format!("inputs.{index}.slug")))
}

async fn update_article(
    ctx: &Context<'_>,
    id: &str,
    input: UpdateArticleInput,
    expected_version: Option<i32>,
) -> Result<MutationResult<PrewrittenObject<Article>>> {
    let edit = input.into_edit("input")?;
    let id = ArticleId::parse(id).ok_or(Error::NotFound)?;
    let room = bytes_left_after(ctx, [largest_after(&edit)])?;
    // A text that the edit contains is known to fit.
    let text_bytes = match &edit.text {
        Some(_) => None,
        None => room.checked_div(texts(ctx)),
    };
    let updated = if let Some(key) = requested_key(ctx) {
        let update = Write::Update {
            id,
            edit,
            expected_version,
            columns: columns(ctx),
            text_bytes,
        };
        one(ctx, key, update).await
    } else {
        let updated =
            store(ctx)?.update_article(id, edit, expected_version, columns(ctx), text_bytes);
        updated.await.map(fresh)
    };
    updated.map_err(|error| FieldError::of_slugs(of_the_response(ctx, error), |_| SLUG.to_owned()))
}

async fn delete_article(
    ctx: &Context<'_>,
    id: &str,
    expected_version: Option<i32>,
) -> Result<MutationResult<PrewrittenObject<Article>>> {
    let id = ArticleId::parse(id).ok_or(Error::NotFound)?;
    let room = bytes_left_after(ctx, [largest_after(&ArticleEdit::default())])?;
    let text_bytes = room.checked_div(texts(ctx));
    let deleted = if let Some(key) = requested_key(ctx) {
        let delete = Write::Delete {
            id,
            expected_version,
            columns: columns(ctx),
            text_bytes,
        };
        one(ctx, key, delete).await
    } else {
        let deleted = store(ctx)?.delete_article(id, expected_version, columns(ctx), text_bytes);
        deleted.await.map(fresh)
    };
    deleted.map_err(|error| of_the_response(ctx, error).into())
}

fn fresh(article: article::Article) -> MutationResult<PrewrittenObject<Article>> {
    MutationResult::Fresh(PrewrittenObject(Article::new(article)))
}

/// An article whose JSON is at least as large as that of the one that this input creates.
fn largest(new: &NewArticle) -> Article {
    let slug = new.slug.as_ref().map(Slug::as_str);
    Article::new(article::Article {
        title: new.title.as_str().to_owned(),
        // A slug that is generated from a title is ASCII only.
        slug: slug.map_or_else(|| "x".repeat(MAX_CHARS), str::to_owned),
        text: new.text.as_str().to_owned(),
        ..placeholder()
    })
}

/// An article whose JSON is at least as large as after this edit, without a text where the edit has none.
fn largest_after(edit: &ArticleEdit) -> Article {
    // A control character takes the most bytes as JSON.
    let longest = || "\u{1}".repeat(MAX_CHARS);
    let title = edit.title.as_ref().map(Title::as_str);
    let slug = edit.slug.as_ref().map(Slug::as_str);
    Article::new(article::Article {
        title: title.map_or_else(longest, str::to_owned),
        slug: slug.map_or_else(longest, str::to_owned),
        text: edit
            .text
            .as_ref()
            .map_or_else(String::new, |text| text.as_str().to_owned()),
        version: i32::MAX,
        ..placeholder()
    })
}

fn placeholder() -> article::Article {
    article::Article {
        id: ArticleId(Uuid::nil()),
        title: String::new(),
        slug: String::new(),
        text: String::new(),
        created_at: Timestamp::MIN,
        updated_at: Timestamp::MIN,
        version: 1,
        stored_keys: None,
    }
}

/// Replaces the limit in an error of the store, which only knows the remaining budget, by the response's limit.
fn of_the_response(ctx: &Context<'_>, error: Error) -> Error {
    match (error, budget(ctx)) {
        (Error::TooLarge { .. }, Ok(budget)) => budget.exceeded(budget.max().saturating_add(1)),
        (error, _) => error,
    }
}
