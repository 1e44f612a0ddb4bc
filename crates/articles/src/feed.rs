//! The change feed: every committed change of an article, once, in the one order of the change log.
//!
//! Each server reads the log once, for all its subscribers (`feed/reader.rs`), and keeps the newest changes in memory
//! (`feed/window.rs`). A subscriber (`feed/subscriber.rs`) holds nothing but its position: one that is slow falls
//! behind, reads from the table, and loses nothing. What was not committed is not in the log, so it cannot be announced.
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

/// How many changes are kept in memory, and how many bytes they may take.
const WINDOW_CHANGES: usize = 4_096;
const WINDOW_BYTES: usize = 32 * 1024 * 1024;

/// How many subscribers read from the table at the same time, so that they leave connections to the others.
const CATCHING_UP: usize = 3;

/// The most bytes of text on a page of [`Feed::page`], which always has one change.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// The feed as one server has it. Clones share it; it ends with the last of them, or when the store is closed.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

/// What the tasks and the subscribers share.
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
    /// Starts to follow the change log of `store`, and to remove what has been in it for longer than `retention`; and to
    /// keep the words of the search in step with what other programs write.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(store: Store, retention: Duration) -> Self {
        let stop = store.closing().child_token();
        store.keep_words_in_step(stop.clone());
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

    /// How many follow it.
    pub fn subscribers(&self) -> usize {
        *self.shared.subscribers.borrow()
    }

    /// How far the feed is behind the changes that have committed, and the slowest subscriber of this server behind the
    /// feed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn lag(&self) -> Result<FeedLag> {
        let end = self.shared.window().end();
        let slowest = end.and_then(|end| self.shared.positions.slowest(end.epoch));
        self.shared.store.feed_lag(slowest).await
    }

    /// Where the feed stands: every change that had committed before the call is at or before it.
    pub async fn head(&self) -> Result<FeedCursor> {
        Ok(self.shared.store.feed_state().await?.head)
    }

    /// The changes that follow `after` and match `filter`: at most `first`, oldest first, of the next 10,000. `text_bytes` is
    /// how many bytes the texts of the articles may have, although there is always one change; `None` where they are not
    /// wanted.
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

    /// The changes that follow `after`, or else the head of the feed at the moment of the call, and match `filter`; those
    /// that are there first, then each as it is committed.
    ///
    /// The stream has no end. While the database cannot be read it waits, also when the feed has ended: a client that
    /// were told that its subscription is complete would not come back. It holds little more than a position
    /// however long it is not polled.
    ///
    /// # Errors
    /// [`crate::error::Error::CursorExpired`], at once or, for a stream that has been left alone for longer than changes
    /// are kept, as its last item.
    pub async fn subscribe(
        &self,
        after: Option<FeedCursor>,
        filter: ChangeFilter,
    ) -> Result<Changes> {
        // Before the state is read: should the feed become another one meanwhile, the subscriber looks again.
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
    /// How far the stream has come, also where no change matches.
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
    // A panic while the window was locked cannot leave it half-changed in a way that matters.
    fn window(&self) -> RwLockReadGuard<'_, Window> {
        self.window.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn window_mut(&self) -> RwLockWriteGuard<'_, Window> {
        self.window.write().unwrap_or_else(PoisonError::into_inner)
    }
}
