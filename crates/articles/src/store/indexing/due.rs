//! Indexes all due articles as fast as the machine can, for a program that waits for it, such as an import.
//!
//! On SQLite, the words of the next articles are computed while those of the previous ones are written, since both take
//! about equally long. Due articles stay recorded in the database until they are indexed, so that indexing continues
//! after an interruption.

use std::time::Duration;

use super::{Batch, IndexedBatch, Progress};
use crate::error::Result;
use crate::store::connection::Connection;
use crate::store::sqlite::index::due::{self, ComputedWords};
use crate::store::{Access, Database, Store};

/// How long to wait while a server does the rest.
const LOCKED_PAUSE: Duration = Duration::from_millis(100);

impl Store {
    /// Indexes the articles that were written without words, and reports the progress to `report`. Returns the number
    /// of articles.
    ///
    /// # Errors
    /// The database does not answer, or takes no writes. The remaining articles stay due.
    pub async fn index_what_is_due(&self, mut report: impl FnMut(Progress)) -> Result<i64> {
        let total = self.pending_words().await?.due;
        let mut done = 0;
        if total == 0 {
            return Ok(0);
        }
        let mut report = |count: i64| {
            done += count;
            report(Progress {
                done,
                total: total.max(done),
            });
        };
        match self.0.database {
            Database::Postgres(_) => self.index_in_batches(&mut report).await?,
            Database::Sqlite(_) => self.index_in_pipeline(&mut report).await?,
        }
        Ok(done)
    }

    async fn index_in_batches(&self, report: &mut impl FnMut(i64)) -> Result<()> {
        let mut batch = Batch::MAX;
        while self.pending_words().await?.due > 0 {
            match self.compute_words(batch).await {
                Ok(IndexedBatch { indexed: 0 }) => tokio::time::sleep(LOCKED_PAUSE).await,
                Ok(IndexedBatch { indexed }) => {
                    batch = batch.doubled();
                    report(i64::try_from(indexed).unwrap_or_default());
                }
                Err(error) => batch = batch.after(&error).ok_or(error)?,
            }
        }
        Ok(())
    }

    async fn index_in_pipeline(&self, report: &mut impl FnMut(i64)) -> Result<()> {
        loop {
            // From the newest to the oldest. Articles that become due in the meantime, or were changed by others,
            // follow afterwards.
            let mut computed = self.words_of_what_is_due(i64::MAX).await?;
            if computed.is_empty() {
                return Ok(());
            }
            let mut indexed = 0;
            while !computed.is_empty() {
                let before = computed.oldest();
                let (written, next) = tokio::join!(
                    self.write_words(computed),
                    self.words_of_what_is_due(before)
                );
                let written = written?;
                indexed += written;
                report(written);
                computed = next?;
            }
            if indexed == 0 {
                tokio::time::sleep(LOCKED_PAUSE).await;
            }
        }
    }

    async fn words_of_what_is_due(&self, before: i64) -> Result<ComputedWords> {
        self.run(Access::Read, move |connection| {
            Box::pin(async move {
                match connection {
                    Connection::Postgres(_) => Ok(ComputedWords::default()),
                    Connection::Sqlite(connection) => Ok(due::compute(connection, before)?),
                }
            })
        })
        .await
    }

    async fn write_words(&self, computed: ComputedWords) -> Result<i64> {
        self.run(Access::Bulk, move |connection| {
            Box::pin(async move {
                match connection {
                    Connection::Postgres(_) => Ok(0),
                    Connection::Sqlite(connection) => Ok(due::write(connection, computed)?),
                }
            })
        })
        .await
    }
}
