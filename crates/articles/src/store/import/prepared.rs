//! Converts rows to articles, as far as possible before a connection is needed.

use std::sync::Arc;

use super::{ImportIndex, Incoming};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::drafts::Draft;
use crate::store::{Database, Store};

/// Rows that are ready for [`Store::import`].
#[derive(Debug, Clone)]
pub struct PreparedRows(pub(super) Arc<[IncomingDraft]>);

/// A row converted to an article.
#[derive(Debug, Clone)]
pub(super) struct IncomingDraft {
    pub(super) row: u64,
    pub(super) draft: Draft,
    /// Whether the row has an id, which an article may have already.
    pub(super) has_id: bool,
    pub(super) created_at: Option<Timestamp>,
    pub(super) version: Option<i32>,
}

impl Store {
    /// Whether the words are sent together with the rows.
    pub fn sends_words(&self, index: ImportIndex) -> bool {
        index == ImportIndex::Now && matches!(self.0.database, Database::Postgres(_))
    }

    /// The one place where imported rows become articles, by the same rules as new ones. On PostgreSQL this also
    /// computes their words, unless they are indexed later.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn prepare_rows(
        &self,
        rows: Vec<Incoming>,
        index: ImportIndex,
    ) -> Result<PreparedRows> {
        let mut new = Vec::with_capacity(rows.len());
        let mut others = Vec::with_capacity(rows.len());
        for row in rows {
            others.push((
                row.row,
                row.id,
                row.new.created_at,
                row.updated_at,
                row.version,
            ));
            new.push(row.new);
        }
        let now = self.0.clock.now();
        let drafts = match self.sends_words(index) {
            true => self.drafts(new, now).await?,
            false => self.drafts_without_words(new, now),
        };
        let incoming = drafts.into_iter().zip(others);
        let incoming =
            incoming.map(
                |(draft, (row, id, created_at, updated_at, version))| IncomingDraft {
                    row,
                    has_id: id.is_some(),
                    created_at,
                    version,
                    draft: draft.with(id, updated_at, version),
                },
            );
        Ok(PreparedRows(incoming.collect()))
    }
}
