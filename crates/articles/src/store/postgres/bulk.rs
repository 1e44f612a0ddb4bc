//! Inserts many articles at once.

use std::ops::Range;
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

/// The maximum bytes of text that one statement inserts, so that it ends within its time limit.
const STATEMENT_BYTES: usize = 4 * 1024 * 1024;

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
    let mut inserted = 0;
    for range in statements(articles, STATEMENT_BYTES) {
        let (mut rows, mut parts) = (ArticleRows::new(), PartRows::new());
        let mut rest = articles[range.clone()].iter();
        let chunks = computed_words(articles, range).map(|words| {
            for (words, article) in words?.iter().zip(&mut rest) {
                rows.push(article, Some(words));
                parts.push(article, words);
            }
            Ok(rows.chunk())
        });
        inserted += copy_in(connection, copy::INTO_ARTICLES, chunks).await?;
        insert_parts(connection, parts).await?;
    }
    Ok(inserted)
}

/// The articles of each statement. One has more than `bytes` of text only if it has one article.
fn statements(articles: &[Article], bytes: usize) -> Vec<Range<usize>> {
    let (mut ranges, mut first, mut sum) = (Vec::new(), 0, 0);
    for (number, article) in articles.iter().enumerate() {
        if number > first && sum + article.text.len() > bytes {
            ranges.push(first..number);
            (first, sum) = (number, 0);
        }
        sum += article.text.len();
    }
    ranges.push(first..articles.len());
    ranges
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
    insert_parts(connection, parts).await?;
    if let Some(due) = copy::due(drafts) {
        copy_in(connection, copy::INTO_DUE, one(due)).await?;
    }
    Ok(())
}

async fn insert_parts(connection: &mut PgConnection, parts: PartRows) -> QueryResult<()> {
    if let Some(parts) = parts.finish() {
        copy_in(connection, copy::INTO_PARTS, one(parts)).await?;
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

/// The words of a range of the articles, some at a time and in order. All threads but one compute them.
fn computed_words(
    articles: &Arc<Vec<Article>>,
    range: Range<usize>,
) -> impl Stream<Item = QueryResult<Vec<Words>>> + use<> {
    /// Few, so that PostgreSQL need not wait for the first.
    const TOGETHER: usize = 25;
    let articles = Arc::clone(articles);
    let end = range.end;
    let compute = move |first: usize| {
        let articles = Arc::clone(&articles);
        let part = first..end.min(first + TOGETHER);
        let words = tokio::task::spawn_blocking(move || {
            let words = articles[part].iter();
            words
                .map(|article| Words::of(&article.title, &article.text))
                .collect()
        });
        async {
            words
                .await
                .map_err(|error| DieselError::SerializationError(Box::new(error)))
        }
    };
    // PostgreSQL may be on this machine, and must not wait for a thread.
    let threads = available_parallelism().map_or(1, |threads| threads.get().max(2) - 1);
    stream::iter(range.step_by(TOGETHER).map(compute)).buffered(threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::article::ArticleId;
    use crate::clock::Timestamp;

    #[test]
    fn a_statement_inserts_a_bounded_number_of_bytes() {
        let article = |bytes: usize| Article {
            id: ArticleId(uuid::Uuid::nil()),
            title: String::new(),
            slug: String::new(),
            text: "x".repeat(bytes),
            created_at: Timestamp::MIN,
            updated_at: Timestamp::MIN,
            version: 1,
            stored_keys: None,
        };
        let ranges = |bytes: &[usize]| {
            let articles: Vec<Article> = bytes.iter().copied().map(article).collect();
            statements(&articles, 10)
        };
        assert_eq!(ranges(&[5, 5, 1]), [0..2, 2..3]);
        assert_eq!(ranges(&[5, 6]), [0..1, 1..2]);
        assert_eq!(ranges(&[1, 20, 0, 10, 0]), [0..1, 1..2, 2..5]);
    }
}
