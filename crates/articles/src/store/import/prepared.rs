//! Rows as the articles that they become: what can be done before there is a connection for them.

use std::sync::Arc;

use super::{ImportIndex, Incoming};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::drafts::Draft;
use crate::store::{Database, Store};

/// Rows that [`Store::import`] can write.
#[derive(Debug, Clone)]
pub struct PreparedRows(pub(super) Arc<[IncomingDraft]>);

/// A row as the article that it becomes.
#[derive(Debug, Clone)]
pub(super) struct IncomingDraft {
    pub(super) row: u64,
    pub(super) draft: Draft,
    /// Whether the row has one, so that an article may have it already.
    pub(super) has_id: bool,
    pub(super) created_at: Option<Timestamp>,
    pub(super) version: Option<i32>,
}

impl Store {
    /// Whether rows are written together with the words that they are found by.
    pub fn sends_words(&self, index: ImportIndex) -> bool {
        index == ImportIndex::Now && matches!(self.0.database, Database::Postgres(_))
    }

    /// The one place where rows that are imported become articles, as new ones do. On PostgreSQL their words are made,
    /// too, unless they are indexed later.
    ///
    /// # Errors
    /// The program is ending.
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
        let drafts = match index {
            ImportIndex::Now => self.drafts(new, now).await?,
            ImportIndex::Later => self.drafts_without_words(new, now),
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
