//! Updates the words of articles on PostgreSQL that another program or another version of the rules has written.

use std::collections::HashSet;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
use diesel::{Queryable, QueryableByName};
use diesel_async::RunQueryDsl as _;

use super::vector::{TsVector, Vector, Words};
use crate::article::ArticleId;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::indexing::{Batch, IndexedBatch, STORED_RULES};
use crate::store::sql::types::{Id, Instant};
use postgres_connect::PgConnection;

/// The key of the advisory lock that the indexing server holds: "lexemes" in ASCII.
const LOCK: i64 = 0x6c_6578_656d_6573;

#[derive(QueryableByName)]
struct State {
    #[diesel(sql_type = Integer)]
    rules: i32,
    #[diesel(sql_type = Bool)]
    is_complete: bool,
    #[diesel(sql_type = Nullable<Instant>)]
    created_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Id>)]
    id: Option<ArticleId>,
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = Id)]
    article_id: ArticleId,
}

#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = Instant)]
    created_at: Timestamp,
    #[diesel(sql_type = Id)]
    id: ArticleId,
}

#[derive(QueryableByName, Queryable)]
struct Texts {
    #[diesel(sql_type = Id)]
    id: ArticleId,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    text: String,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Id)]
    id: ArticleId,
}

/// Computes the words of some articles that other programs have written, or else of older articles. Only one server at
/// a time does so.
pub(in crate::store) async fn index_batch(
    connection: &mut PgConnection,
    batch: Batch,
) -> Result<IndexedBatch> {
    let lock: Locked = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS locked")
        .bind::<BigInt, _>(LOCK)
        .get_result(connection)
        .await?;
    if !lock.locked {
        return Ok(IndexedBatch { indexed: 0 });
    }
    let mut state = state(connection).await?;
    if state.rules < STORED_RULES {
        begin(connection).await?;
        state = self::state(connection).await?;
    }
    let due: Vec<Due> = diesel::sql_query(
        "SELECT position, article_id FROM search_due ORDER BY position DESC LIMIT $1",
    )
    .bind::<BigInt, _>(batch.articles)
    .load(connection)
    .await?;
    if !due.is_empty() {
        let ids: HashSet<ArticleId> = due.iter().map(|due| due.article_id).collect();
        let ids: Vec<ArticleId> = ids.into_iter().collect();
        let left = compute_words(connection, &ids, batch).await?;
        let done: Vec<i64> = due
            .iter()
            .filter(|due| !left.contains(&due.article_id))
            .map(|due| due.position)
            .collect();
        diesel::sql_query("DELETE FROM search_due WHERE position = ANY ($1)")
            .bind::<Array<BigInt>, _>(&done)
            .execute(connection)
            .await?;
        return Ok(IndexedBatch {
            indexed: done.len(),
        });
    }
    if state.is_complete {
        return Ok(IndexedBatch { indexed: 0 });
    }
    continue_pass(connection, state, batch).await
}

/// Computes the words of the next articles in the pass over all.
async fn continue_pass(
    connection: &mut PgConnection,
    state: State,
    batch: Batch,
) -> Result<IndexedBatch> {
    let next = diesel::sql_query(
        "SELECT created_at, id FROM article
        WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2)
        ORDER BY created_at DESC, id DESC LIMIT $3",
    )
    .bind::<Nullable<Instant>, _>(state.created_at)
    .bind::<Nullable<Id>, _>(state.id)
    .bind::<BigInt, _>(batch.articles);
    let places: Vec<Place> = next.load(connection).await?;
    let Some(last) = places.last() else {
        diesel::sql_query("UPDATE search_index SET is_complete = true")
            .execute(connection)
            .await?;
        return Ok(IndexedBatch { indexed: 0 });
    };
    let ids: Vec<ArticleId> = places.iter().map(|place| place.id).collect();
    let left: Vec<ArticleId> = compute_words(connection, &ids, batch)
        .await?
        .into_iter()
        .collect();
    // Other transactions have locked them.
    diesel::sql_query("INSERT INTO search_due (article_id) SELECT unnest($1)")
        .bind::<Array<Id>, _>(&left)
        .execute(connection)
        .await?;
    diesel::sql_query("UPDATE search_index SET created_at = $1, id = $2, done = done + $3")
        .bind::<Instant, _>(last.created_at)
        .bind::<Id, _>(last.id)
        .bind::<BigInt, _>(i64::try_from(ids.len()).unwrap_or_default())
        .execute(connection)
        .await?;
    Ok(IndexedBatch { indexed: ids.len() })
}

/// Starts another pass over all articles.
pub(in crate::store) async fn begin(connection: &mut PgConnection) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE search_index SET rules = $1, is_complete = false, created_at = NULL, id = NULL, done = 0,
            total = (SELECT count(*) FROM article)",
    )
    .bind::<Integer, _>(STORED_RULES)
    .execute(connection)
    .await?;
    Ok(())
}

async fn state(connection: &mut PgConnection) -> QueryResult<State> {
    diesel::sql_query("SELECT rules, is_complete, created_at, id FROM search_index")
        .get_result(connection)
        .await
}

/// Computes the words of articles that are not current. Returns the articles that were left out, because another
/// transaction is changing them or because the batch has too many bytes.
async fn compute_words(
    connection: &mut PgConnection,
    ids: &[ArticleId],
    batch: Batch,
) -> QueryResult<HashSet<ArticleId>> {
    if batch.is_skipped {
        tracing::warn!(articles = ?ids, "the database does not accept the search words of an article");
        return Ok(HashSet::new());
    }
    // `SKIP LOCKED`: never waits for a transaction that is changing an article, so that no deadlock is possible.
    let texts: Vec<Texts> = diesel::sql_query(
        "WITH locked AS MATERIALIZED (
            SELECT id, version, title, left(text, 100000) AS text, search_version, search_rules FROM article
            WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED
        ),
        measured AS (
            SELECT *, sum(octet_length(text)) OVER (ORDER BY id) - octet_length(text) AS before FROM locked
        )
        SELECT id, version, title, text FROM measured WHERE before < $2",
    )
    .bind::<Array<Id>, _>(ids)
    .bind::<BigInt, _>(i64::try_from(batch.bytes).unwrap_or(i64::MAX))
    .load(connection)
    .await?;
    let existing: Vec<IdRow> = diesel::sql_query("SELECT id FROM article WHERE id = ANY ($1)")
        .bind::<Array<Id>, _>(ids)
        .load(connection)
        .await?;
    let mut left: HashSet<ArticleId> = existing.into_iter().map(|only| only.id).collect();
    let (mut known, mut versions, mut vectors): (Vec<ArticleId>, Vec<i32>, Vec<Vector>) =
        Default::default();
    let mut parts: (Vec<ArticleId>, Vec<i32>, Vec<i32>, Vec<Vector>) = Default::default();
    for article in texts {
        left.remove(&article.id);
        let words = Words::of(&article.title, &article.text);
        known.push(article.id);
        versions.push(article.version);
        vectors.push(words.vector);
        for (number, part) in (1..).zip(words.parts) {
            parts.0.push(article.id);
            parts.1.push(article.version);
            parts.2.push(number);
            parts.3.push(part);
        }
    }
    // Rows from before the migration `stored_values` that violate its constraints keep the words that the database has
    // made.
    diesel::sql_query(
        "UPDATE article SET search = made.search, search_version = article.version, search_rules = $1
        FROM unnest($2, $3, $4) AS made (id, version, search)
        WHERE article.id = made.id AND article.version = made.version AND article.version <= 2147483646
            AND created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
            AND updated_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'",
    )
    .bind::<Integer, _>(STORED_RULES)
    .bind::<Array<Id>, _>(&known)
    .bind::<Array<Integer>, _>(&versions)
    .bind::<Array<TsVector>, _>(&vectors)
    .execute(connection)
    .await?;
    diesel::sql_query("DELETE FROM article_search_part WHERE article_id = ANY ($1)")
        .bind::<Array<Id>, _>(&known)
        .execute(connection)
        .await?;
    if !parts.0.is_empty() {
        diesel::sql_query(
            "INSERT INTO article_search_part (article_id, version, part, search)
            SELECT * FROM unnest($1, $2, $3, $4)",
        )
        .bind::<Array<Id>, _>(&parts.0)
        .bind::<Array<Integer>, _>(&parts.1)
        .bind::<Array<Integer>, _>(&parts.2)
        .bind::<Array<TsVector>, _>(&parts.3)
        .execute(connection)
        .await?;
    }
    Ok(left)
}

/// Removes parts of texts that belong to no existing version of an article.
pub(in crate::store) async fn remove_old_parts(
    connection: &mut PgConnection,
) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM article_search_part AS part WHERE NOT EXISTS (
            SELECT FROM article
            WHERE article.id = part.article_id AND article.search_version = part.version
        )",
    )
    .execute(connection)
    .await
}
