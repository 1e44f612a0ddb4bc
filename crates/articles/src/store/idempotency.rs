//! Writes that are executed once, however often they are sent.
//!
//! A write with a key stores its request and its result in its own transaction. Sending the same request with the same
//! key returns that result, and nothing is executed. A failed write stores nothing, not even its key. Two simultaneous
//! requests with the same key run one after the other: on SQLite because there is one writer, on PostgreSQL because of
//! a lock on the key's row.

mod sweep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use diesel::OptionalExtension as _;

use super::Store;
use super::bulk_creates::{access, create_indexed};
use super::connection::{Connection, run};
use super::drafts::Draft;
use super::sql::idempotency::{Claim, ReadResult, StoreResult};
use super::sql::write::{Delete, TextRoom, Update};
use super::writes::{apply_delete, apply_update, retry};
use crate::article::{Article, ArticleEdit, ArticleId, Columns, NewArticle};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The idempotency key of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The SHA-256 of the caller and its key.
    pub key: [u8; 32],
    /// The SHA-256 of the request.
    pub request: [u8; 32],
    /// How long the result is kept.
    pub retention: Duration,
}

/// A write; each variant corresponds to a method of [`Store`].
#[derive(Debug, Clone)]
pub enum Write {
    CreateOne(NewArticle),
    CreateMany(Vec<NewArticle>),
    Update {
        id: ArticleId,
        edit: ArticleEdit,
        expected_version: Option<i32>,
        columns: Columns,
        text_bytes: Option<usize>,
    },
    Delete {
        id: ArticleId,
        expected_version: Option<i32>,
        columns: Columns,
        text_bytes: Option<usize>,
    },
}

/// Serializes the result of the write from the articles that were written, within the transaction.
pub type SerializeResult = Arc<dyn Fn(Vec<Article>) -> Result<Vec<u8>> + Send + Sync>;

/// The stored result of a write with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    pub result: Bytes,
    /// Whether this is the result of an earlier request.
    pub is_replayed: bool,
}

impl Store {
    /// Executes a write unless it was already executed with this key.
    ///
    /// # Errors
    /// [`Error::KeyReused`] where the key was used with another request; otherwise those of the write. Nothing was
    /// written then, and the key stays free.
    pub async fn write_once(
        &self,
        key: IdempotencyKey,
        write: Write,
        serialize: SerializeResult,
    ) -> Result<StoredResult> {
        let now = self.0.clock.now();
        let prepared = self.prepare(write, now).await?;
        let created = prepared.creates();
        let attempts = AtomicU32::new(0);
        let done = retry(|| {
            let (mut prepared, serialize) = (prepared.clone(), Arc::clone(&serialize));
            if let Prepared::Update(update) = &mut prepared {
                update.as_shown = attempts.fetch_add(1, Ordering::Relaxed) > 0;
            }
            self.run(access(created), move |connection| {
                Box::pin(write_or_replay(connection, key, now, prepared, serialize))
            })
        });
        let done = done.await?;
        if done.is_replayed {
            return Ok(done);
        }
        self.empty_pending_lists(created);
        Ok(self.taken(done))
    }

    async fn prepare(&self, write: Write, now: Timestamp) -> Result<Prepared> {
        Ok(match write {
            Write::CreateOne(new) => Prepared::Create(vec![self.one_draft(new, now).await?]),
            Write::CreateMany(new) => Prepared::Create(self.drafts_to_create(new, now).await?),
            Write::Update {
                id,
                edit,
                expected_version,
                columns,
                text_bytes,
            } => {
                let update = Update {
                    id,
                    expected_version,
                    edit,
                    now,
                    as_shown: false,
                    in_transaction: true,
                    columns,
                    text: TextRoom::new(text_bytes),
                    words: None,
                };
                Prepared::Update(update)
            }
            Write::Delete {
                id,
                expected_version,
                columns,
                text_bytes,
            } => Prepared::Delete(Delete {
                id,
                expected_version,
                columns,
                text: TextRoom::new(text_bytes),
            }),
        })
    }
}

/// A write that stays the same on every retry.
#[derive(Debug, Clone)]
enum Prepared {
    Create(Vec<Draft>),
    Update(Update),
    Delete(Delete),
}

impl Prepared {
    /// The number of articles that it creates.
    fn creates(&self) -> usize {
        match self {
            Self::Create(drafts) => drafts.len(),
            Self::Update(_) | Self::Delete(_) => 0,
        }
    }

    async fn execute(self, connection: &mut Connection<'_>) -> Result<Vec<Article>> {
        match self {
            Self::Create(drafts) => create_indexed(connection, drafts).await,
            Self::Update(update) => Ok(vec![apply_update(connection, update).await?]),
            Self::Delete(delete) => Ok(vec![apply_delete(connection, delete).await?]),
        }
    }
}

async fn write_or_replay(
    connection: &mut Connection<'_>,
    IdempotencyKey {
        key,
        request,
        retention,
    }: IdempotencyKey,
    now: Timestamp,
    write: Prepared,
    serialize: SerializeResult,
) -> Result<StoredResult> {
    let claim = Claim {
        key,
        request,
        now,
        expired: expired(now, retention),
    };
    if run!(connection, |c| claim.execute(c))? == 0 {
        return replay(connection, key, request).await;
    }
    let articles = write.execute(connection).await?;
    let result = serialize(articles)?;
    let store = StoreResult {
        key,
        result: &result,
    };
    run!(connection, |c| store.execute(c))?;
    Ok(StoredResult {
        result: result.into(),
        is_replayed: false,
    })
}

async fn replay(
    connection: &mut Connection<'_>,
    key: [u8; 32],
    request: [u8; 32],
) -> Result<StoredResult> {
    let stored = run!(connection, |c| ReadResult { key }
        .get_result::<(Vec<u8>, Vec<u8>)>(c));
    match stored.optional()? {
        Some((of_request, result)) if of_request == request => Ok(StoredResult {
            result: result.into(),
            is_replayed: true,
        }),
        Some(_) => Err(Error::KeyReused),
        // Another transaction has removed the key in between.
        None => Err(Error::Raced),
    }
}

/// The creation time of a key that expires now.
fn expired(now: Timestamp, retention: Duration) -> Timestamp {
    let micros = i128::try_from(retention.as_micros()).unwrap_or(i128::MAX);
    let then = Timestamp::stored(now.stored_micros().saturating_sub(micros));
    then.max(Timestamp::MIN)
}
