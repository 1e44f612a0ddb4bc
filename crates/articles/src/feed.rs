//! The change feed: every committed change of an article, exactly once, in the order of the change log.
//!
//! Each server reads the log once, for all its subscribers (`feed/reader.rs`), and keeps the newest changes in memory
//! (`feed/window.rs`). A subscriber (`feed/subscriber.rs`) only holds its position: a slow one falls behind, reads from
//! the table, and loses nothing. Changes that were not committed are not in the log, so they cannot be sent.
//!
//! Decision: `docs/decisions/0001-change-feed.md`.

mod position;
mod reader;
mod subscriber;
mod window;

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{BoxStream, try_unfold};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::DropGuard;

pub use self::position::Position;
use self::position::Positions;
use self::subscriber::Subscriber;
use self::window::Window;
use crate::article::change::{ArticleChange, ChangeFilter, FeedCursor};
use crate::error::Result;
use crate::store::{ChangesAfter, ChangesPage, FeedLag, Store};

/// The maximum number of changes in memory, and of their bytes.
const WINDOW_CHANGES: usize = 4_096;
const WINDOW_BYTES: usize = 32 * 1024 * 1024;

/// The maximum number of subscribers that read from the table at the same time, so that others get connections too.
const CATCHING_UP: usize = 3;

/// The maximum bytes of text on a page of [`Feed::page`], which always has at least one change.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// The feed of one server. Clones share it; it ends with the last clone, or when the store is closed.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

/// Shared by the tasks and the subscribers.
struct Shared {
    store: Store,
    window: RwLock<Window>,
    /// Marked when the window has advanced.
    advanced: watch::Sender<()>,
    subscribers: watch::Sender<usize>,
    positions: Positions,
    catching_up: Semaphore,
}

impl Feed {
    /// Starts following the change log of `store`, removing changes older than `retention`, and indexing what other
    /// programs write.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(store: Store, retention: Duration) -> Self {
        let stop = store.closing().child_token();
        store.maintain_words(stop.clone());
        let shared = Arc::new(Shared {
            store,
            window: RwLock::new(Window::new(WINDOW_CHANGES, WINDOW_BYTES)),
            advanced: watch::Sender::new(()),
            subscribers: watch::Sender::new(0),
            positions: Positions::default(),
            catching_up: Semaphore::new(CATCHING_UP),
        });
        reader::spawn(&shared, retention, &stop);
        Self {
            shared,
            _stop: Arc::new(stop.drop_guard()),
        }
    }

    /// The number of subscribers.
    pub fn subscribers(&self) -> usize {
        *self.shared.subscribers.borrow()
    }

    /// How far the feed is behind the commits, and the slowest subscriber of this server behind the feed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn lag(&self) -> Result<FeedLag> {
        let end = self.shared.window().end();
        let slowest = end.and_then(|end| self.shared.positions.slowest(end.epoch));
        self.shared.store.feed_lag(slowest).await
    }

    /// The head of the feed: every change that had committed before the call is at or before it.
    pub async fn head(&self) -> Result<FeedCursor> {
        Ok(self.shared.store.feed_state().await?.head)
    }

    /// The changes after `after` that match `filter`: at most `first`, oldest first, of the next 10,000. `text_bytes`
    /// is the maximum bytes of the articles' texts, but there is always at least one change; `None` where the texts are
    /// not selected.
    ///
    /// # Errors
    /// [`crate::error::Error::CursorExpired`]
    pub async fn page(
        &self,
        after: FeedCursor,
        first: usize,
        filter: ChangeFilter,
        text_bytes: Option<usize>,
    ) -> Result<ChangesPage> {
        let state = self.shared.store.feed_state().await?;
        state.check(after)?;
        let wanted = ChangesAfter {
            after,
            upto: state.head.position,
            filter,
            first,
            text_bytes: text_bytes.unwrap_or_default().min(PAGE_BYTES),
            text: text_bytes.is_some(),
        };
        self.shared.store.changes(wanted).await
    }

    /// The changes after `after`, or else after the current head of the feed, that match `filter`: first the existing
    /// ones, then each as it is committed.
    ///
    /// The stream has no end. While the database cannot be read it waits, even if the feed has ended: a client whose
    /// subscription is completed would not reconnect. It holds little more than a position, however long
    /// it is not polled.
    ///
    /// # Errors
    /// [`crate::error::Error::CursorExpired`], immediately or, for a stream that was not polled for longer than changes
    /// are kept, as its last item.
    pub async fn subscribe(
        &self,
        after: Option<FeedCursor>,
        filter: ChangeFilter,
    ) -> Result<Changes> {
        // Read before the state: if the feed is replaced in between, the subscriber checks again.
        let incarnation = self.shared.window().incarnation();
        let state = self.shared.store.feed_state().await?;
        if let Some(after) = after {
            state.check(after)?;
        }
        let from = after.unwrap_or(state.head);
        let position = Position::new(from);
        let subscriber = Subscriber::new(
            Arc::clone(&self.shared),
            position.clone(),
            incarnation,
            filter,
        );
        Ok(Changes {
            position,
            stream: try_unfold(subscriber, Subscriber::next).boxed(),
        })
    }
}

/// The changes of a subscription, one by one.
pub struct Changes {
    position: Position,
    stream: BoxStream<'static, Result<Arc<ArticleChange>>>,
}

impl Changes {
    /// The position of the stream, even where no change matches.
    pub fn position(&self) -> Position {
        self.position.clone()
    }
}

impl Stream for Changes {
    type Item = Result<Arc<ArticleChange>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(context)
    }
}

impl Shared {
    // A panic while the window was locked cannot leave it in a harmful state.
    fn window(&self) -> RwLockReadGuard<'_, Window> {
        self.window.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn window_mut(&self) -> RwLockWriteGuard<'_, Window> {
        self.window.write().unwrap_or_else(PoisonError::into_inner)
    }
}
