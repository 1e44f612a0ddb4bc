//! Inserts many articles at once.

use std::sync::Arc;
use std::thread::available_parallelism;

use bytes::Bytes;
use diesel::QueryResult;
use diesel::result::Error as DieselError;
use futures_util::{Stream, StreamExt as _, stream};
use postgres_connect::PgConnection;

use super::copy::{self, ArticleRows, PartRows};
use super::vector::Words;
use crate::article::Article;
use crate::store::drafts::Draft;

/// Inserts all of the articles with their words, and returns their number.
///
/// Other threads compute the words while PostgreSQL inserts the articles that have them.
///
/// # Errors
/// A unique violation: an existing article, or another of these, has the same id or slug.
pub(in crate::store) async fn create(
    connection: &mut PgConnection,
    articles: &Arc<Vec<Article>>,
) -> QueryResult<usize> {
    let (mut rows, mut parts) = (ArticleRows::new(), PartRows::new());
    let mut rest = articles.iter();
    let chunks = computed_words(articles).map(|words| {
        for (words, article) in words?.iter().zip(&mut rest) {
            rows.push(article, Some(words));
            parts.push(article, words);
        }
        Ok(rows.chunk())
    });
    let inserted = copy_in(connection, copy::INTO_ARTICLES, chunks).await?;
    if let Some(parts) = parts.finish() {
        copy_in(connection, copy::INTO_PARTS, one(parts)).await?;
    }
    Ok(inserted)
}

/// Inserts all of the articles, with their words where those were computed.
///
/// # Errors
/// As [`create`].
pub(in crate::store) async fn insert(
    connection: &mut PgConnection,
    drafts: impl Iterator<Item = &Draft> + Clone,
) -> QueryResult<()> {
    let (mut rows, mut parts) = (ArticleRows::new(), PartRows::new());
    for Draft { article, words, .. } in drafts.clone() {
        rows.push(article, words.as_ref());
        if let Some(words) = words {
            parts.push(article, words);
        }
    }
    copy_in(connection, copy::INTO_ARTICLES, one(rows.chunk())).await?;
    if let Some(parts) = parts.finish() {
        copy_in(connection, copy::INTO_PARTS, one(parts)).await?;
    }
    if let Some(due) = copy::due(drafts) {
        copy_in(connection, copy::INTO_DUE, one(due)).await?;
    }
    Ok(())
}

/// Executes `COPY … FROM STDIN` with rows in binary format, and returns their number.
async fn copy_in(
    connection: &mut PgConnection,
    sql: &str,
    rows: impl Stream<Item = QueryResult<Bytes>> + Send,
) -> QueryResult<usize> {
    let chunks = rows.chain(one(Bytes::from_static(copy::TRAILER)));
    let count = connection.copy_in(sql, chunks).await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

fn one(rows: Bytes) -> impl Stream<Item = QueryResult<Bytes>> {
    stream::iter([Ok(rows)])
}

/// The words of the articles, some at a time and in order. As many threads compute them as there are, but one.
fn computed_words(
    articles: &Arc<Vec<Article>>,
) -> impl Stream<Item = QueryResult<Vec<Words>>> + use<> {
    /// Few, so that PostgreSQL need not wait for the first.
    const TOGETHER: usize = 25;
    let all = Arc::clone(articles);
    let compute = move |first: usize| {
        let articles = Arc::clone(&all);
        let words = tokio::task::spawn_blocking(move || {
            let part = articles.iter().skip(first).take(TOGETHER);
            let words = part.map(|article| Words::of(&article.title, &article.text));
            words.collect()
        });
        async {
            words
                .await
                .map_err(|error| DieselError::SerializationError(Box::new(error)))
        }
    };
    // PostgreSQL may be on this machine, and must not wait for a thread.
    let threads = available_parallelism().map_or(1, |threads| threads.get().max(2) - 1);
    let firsts = (0..articles.len()).step_by(TOGETHER);
    stream::iter(firsts.map(compute)).buffered(threads)
}
