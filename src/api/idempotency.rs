//! Mutations with an idempotency key: they are executed once, and return the stored result.

use std::sync::Arc;

use async_graphql::Context;

use super::json::mutation_result::{MutationResult, Writer};
use super::store;
use super::types::Article;
use crate::article;
use crate::error::{Error, Result};
use crate::store::idempotency::{IdempotencyKey, SerializeResult, StoredResult, Write};

/// A marker in the engine's response: the result is that of an earlier request.
pub(super) const REPLAYED: &str = "idempotency-replayed";

/// The idempotency key of the request, if any.
pub(super) fn requested_key(ctx: &Context<'_>) -> Option<IdempotencyKey> {
    ctx.data_opt::<IdempotencyKey>().copied()
}

/// Executes a write of one article.
pub(super) async fn one<T>(
    ctx: &Context<'_>,
    key: IdempotencyKey,
    write: Write,
) -> Result<MutationResult<T>> {
    let writer = Writer::new(ctx)?;
    let serialize = move |articles: Vec<article::Article>| match articles.into_iter().next() {
        Some(article) => writer.one(&Article::new(article)),
        None => Err(Error::internal("an article was written and not returned")),
    };
    execute(ctx, key, write, Arc::new(serialize)).await
}

/// Executes a write of several articles.
pub(super) async fn many<T>(
    ctx: &Context<'_>,
    key: IdempotencyKey,
    write: Write,
) -> Result<MutationResult<T>> {
    let writer = Writer::new(ctx)?;
    let serialize = move |articles: Vec<article::Article>| {
        let articles: Vec<_> = articles.into_iter().map(Article::new).collect();
        writer.many(&articles)
    };
    execute(ctx, key, write, Arc::new(serialize)).await
}

async fn execute<T>(
    ctx: &Context<'_>,
    key: IdempotencyKey,
    write: Write,
    serialize: SerializeResult,
) -> Result<MutationResult<T>> {
    let StoredResult {
        result,
        is_replayed,
    } = store(ctx)?.write_once(key, write, serialize).await?;
    if is_replayed {
        ctx.insert_http_header(REPLAYED, "true");
    }
    Ok(MutationResult::Stored(result))
}
