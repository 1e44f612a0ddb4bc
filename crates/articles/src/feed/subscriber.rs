//! One subscriber: its position in the feed, and how it finds the next change.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::window::Next;
use super::{Position, Shared};
use crate::article::change::{ArticleChange, ChangeFilter, FeedCursor};
use crate::error::{Error, Result};
use crate::store::{ChangesAfter, FeedState};

/// The maximum number of changes, and of bytes of text, that a subscriber that is behind reads from the table at a
/// time. It never holds more, however long its client does not read.
const CHANGES: usize = 128;
const BYTES: usize = 64 * 1024;

pub(super) struct Subscriber {
    shared: Arc<Shared>,
    filter: ChangeFilter,
    /// Everything up to here was delivered, or is in `page`.
    cursor: FeedCursor,
    /// The position of the last change that was returned.
    returned: FeedCursor,
    /// For other tasks: everything up to here was delivered.
    position: Position,
    incarnation: u64,
    advanced: watch::Receiver<()>,
    page: VecDeque<ArticleChange>,
}

impl Subscriber {
    pub(super) fn new(
        shared: Arc<Shared>,
        position: Position,
        incarnation: u64,
        filter: ChangeFilter,
    ) -> Self {
        shared.subscribers.send_modify(|count| *count += 1);
        shared.positions.add(&position);
        Self {
            advanced: shared.advanced.subscribe(),
            shared,
            filter,
            cursor: position.get(),
            returned: position.get(),
            position,
            incarnation,
            page: VecDeque::new(),
        }
    }

    /// Waits for the next change.
    pub(super) async fn next(mut self) -> Result<Option<(Arc<ArticleChange>, Self)>> {
        Ok(Some((self.find().await?, self)))
    }

    async fn find(&mut self) -> Result<Arc<ArticleChange>> {
        // Asking for the next change confirms that the last one was received.
        self.position.advance(self.returned);
        let change = self.find_next().await?;
        self.returned = change.cursor;
        Ok(change)
    }

    async fn find_next(&mut self) -> Result<Arc<ArticleChange>> {
        loop {
            if let Some(change) = self.page.pop_front() {
                return Ok(Arc::new(change));
            }
            // All matching changes up to here were returned.
            self.position.advance(self.cursor);
            // Changes that are ready immediately must not keep other tasks from the thread.
            tokio::task::consume_budget().await;
            let next = self
                .shared
                .window()
                .next(self.incarnation, self.cursor, &self.filter);
            match next {
                Next::Change(change) => {
                    self.cursor = change.cursor;
                    return Ok(change);
                }
                Next::Nothing(cursor) => {
                    self.cursor = cursor;
                    self.position.advance(cursor);
                    // Its sender is in `shared`.
                    let _ = self.advanced.changed().await;
                }
                // Boxed: these futures are large, and most of the time a subscriber only waits.
                Next::Behind(end) => Box::pin(self.catch_up(end)).await?,
                Next::Other { incarnation } => {
                    Box::pin(self.feed_state()).await?.check(self.cursor)?;
                    self.incarnation = incarnation;
                }
            }
        }
    }

    /// Reads the next changes up to `end` from the table. Its permit lasts one statement, which reads a bounded part of
    /// the log: a subscriber whose filter matches little queues again behind the others.
    async fn catch_up(&mut self, end: FeedCursor) -> Result<()> {
        let wanted = ChangesAfter {
            after: self.cursor,
            upto: end.position,
            filter: self.filter.clone(),
            first: CHANGES,
            text_bytes: BYTES,
            text: true,
        };
        let shared = &self.shared;
        let page = retry(|| async {
            // The semaphore is never closed.
            let _permit = shared.catching_up.acquire().await;
            shared.store.changes(wanted.clone()).await
        })
        .await?;
        self.cursor = page.end;
        self.page = page.changes.into();
        Ok(())
    }

    async fn feed_state(&self) -> Result<FeedState> {
        retry(|| self.shared.store.feed_state()).await
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.shared.subscribers.send_modify(|count| *count -= 1);
        self.shared.positions.remove(&self.position);
    }
}

/// Retries until the log can be read: a client that got an error would treat its subscription as complete. The feed's
/// reader logs the problem.
async fn retry<T, F: Future<Output = Result<T>>>(attempt: impl Fn() -> F) -> Result<T> {
    const MAX_PAUSE: Duration = Duration::from_secs(5);
    let mut pause = Duration::from_millis(100);
    loop {
        match attempt().await {
            Err(Error::CursorExpired { oldest }) => return Err(Error::CursorExpired { oldest }),
            Err(error) => {
                tracing::debug!(%error, retry_in_ms = pause.as_millis(), "a subscriber cannot read the change log");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
            Ok(done) => return Ok(done),
        }
    }
}
