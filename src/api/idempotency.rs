//! Mutations with an idempotency key: they are executed once, and return the stored result.

use std::sync::Arc;

use async_graphql::Context;

use super::json::mutation_result::{Kept, Writer};
use super::store;
use super::types::Article;
use crate::article;
use crate::error::{Error, Result};
use crate::store::idempotency::{IdempotencyKey, KeptAnswer, Write, WriteAnswer};

/// A marker in the engine's response: the result is that of an earlier request.
pub(super) const REPLAYED: &str = "idempotency-replayed";

/// The idempotency key of the request, if any.
pub(super) fn once(ctx: &Context<'_>) -> Option<IdempotencyKey> {
    ctx.data_opt::<IdempotencyKey>().copied()
}

/// Executes a write of one article.
pub(super) async fn one<T>(
    ctx: &Context<'_>,
    key: IdempotencyKey,
    write: Write,
) -> Result<Kept<T>> {
    let writer = Writer::new(ctx)?;
    let answer = move |articles: Vec<article::Article>| match articles.into_iter().next() {
        Some(article) => writer.one(&Article::new(article)),
        None => Err(Error::internal("an article was written and not returned")),
    };
    kept(ctx, key, write, Arc::new(answer)).await
}

/// Executes a write of several articles.
pub(super) async fn many<T>(
    ctx: &Context<'_>,
    key: IdempotencyKey,
    write: Write,
) -> Result<Kept<T>> {
    let writer = Writer::new(ctx)?;
    let answer = move |articles: Vec<article::Article>| {
        let articles: Vec<_> = articles.into_iter().map(Article::new).collect();
        writer.many(&articles)
    };
    kept(ctx, key, write, Arc::new(answer)).await
}

async fn kept<T>(
    ctx: &Context<'_>,
    key: IdempotencyKey,
    write: Write,
    answer: WriteAnswer,
) -> Result<Kept<T>> {
    let KeptAnswer {
        answer,
        is_replayed,
    } = store(ctx)?.write_once(key, write, answer).await?;
    if is_replayed {
        ctx.insert_http_header(REPLAYED, "true");
    }
    Ok(Kept::Stored(answer))
}
