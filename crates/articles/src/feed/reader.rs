//! The tasks of a server's feed: one listens for other writers, one reads the log, one removes old changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::article::change::ChangeFilter;
use crate::error::{Error, Result};
use crate::store::ChangesAfter;

/// How long a change may go unnoticed without a notification: external writers send none, and notifications may be
/// lost.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The minimum time between two reads, so that many writes share one.
const READ_INTERVAL: Duration = Duration::from_millis(5);

/// The maximum number of changes, and of bytes of text, that a statement reads.
const CHANGES: usize = 500;
const BYTES: usize = 8 * 1024 * 1024;

/// If the log has grown by more than this while there was no subscriber, the window restarts at its end.
const TOO_FAR: i64 = 2_000;

/// Starts the tasks, which end when `stop` is cancelled.
pub(super) fn spawn(shared: &Arc<Shared>, retention: Duration, stop: &CancellationToken) {
    let notified = watch::Sender::new(());
    let follow = follow(Arc::clone(shared), notified.subscribe());
    let listen = listen(Arc::clone(shared), notified);
    let remove = remove(Arc::clone(shared), retention);
    tokio::spawn(stop.clone().run_until_cancelled_owned(follow));
    tokio::spawn(stop.clone().run_until_cancelled_owned(listen));
    tokio::spawn(stop.clone().run_until_cancelled_owned(remove));
}

/// Listens for writes of other servers and external writers.
async fn listen(shared: Arc<Shared>, notified: watch::Sender<()>) {
    let subscribers = shared.subscribers.subscribe();
    shared.store.listen(&notified, subscribers).await;
}

/// Reads the log while there are subscribers.
async fn follow(shared: Arc<Shared>, mut notified: watch::Receiver<()>) {
    let mut written = shared.store.written();
    let mut subscribers = shared.subscribers.subscribe();
    let mut is_resuming = true;
    let mut has_failed = false;
    loop {
        if *subscribers.borrow_and_update() == 0 {
            is_resuming = true;
            if subscribers.wait_for(|count| *count > 0).await.is_err() {
                return;
            }
        }
        let began = Instant::now();
        written.mark_unchanged();
        notified.mark_unchanged();
        match read(&shared, is_resuming).await {
            Ok(()) => {
                is_resuming = false;
                if std::mem::take(&mut has_failed) {
                    tracing::info!("the change log can be read again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::error!(%error, "the change log cannot be read; subscribers wait");
                }
                tokio::time::sleep(CHECK_INTERVAL).await;
                continue;
            }
        }
        // A slow read is followed by an equally long pause, which leaves half of the time to others.
        tokio::time::sleep(READ_INTERVAL.max(began.elapsed()).min(CHECK_INTERVAL)).await;
        tokio::select! {
            _ = written.changed() => {}
            _ = notified.changed() => {}
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
        }
    }
}

/// Reads the changes after those in the window.
async fn read(shared: &Shared, is_resuming: bool) -> Result<()> {
    let head = shared.store.feed_state().await?.head;
    let begin = |cursor| {
        shared.window_mut().begin(cursor);
        shared.advanced.send_replace(());
    };
    let end = shared.window().end();
    let mut at = match end {
        Some(end) if end.epoch == head.epoch && end.position <= head.position => end,
        _ => {
            begin(head);
            return Ok(());
        }
    };
    if is_resuming && head.position - at.position > TOO_FAR {
        begin(head);
        return Ok(());
    }
    while at.position < head.position {
        let page = shared.store.changes(ChangesAfter {
            after: at,
            upto: head.position,
            filter: ChangeFilter::default(),
            first: CHANGES,
            text_bytes: BYTES,
            text: true,
        });
        let page = match page.await {
            // Removed before they were read: subscribers that need them get the error when they read.
            Err(Error::CursorExpired { .. }) => {
                begin(head);
                return Ok(());
            }
            page => page?,
        };
        at = page.end;
        shared.window_mut().extend(page.changes, at);
        shared.advanced.send_replace(());
    }
    Ok(())
}

/// Removes changes that are older than the retention.
async fn remove(shared: Arc<Shared>, retention: Duration) {
    const BATCH_INTERVAL: Duration = Duration::from_millis(50);
    let pause = (retention / 10).clamp(Duration::from_millis(100), Duration::from_mins(1));
    loop {
        tokio::time::sleep(pause).await;
        loop {
            match shared.store.remove_old_changes(retention).await {
                Ok(true) => tokio::time::sleep(BATCH_INTERVAL).await,
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "old changes could not be removed");
                    break;
                }
            }
        }
    }
}
