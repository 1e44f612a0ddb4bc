//! Whether connections to the database can be opened. Each loss and each recovery is logged once.

use std::sync::Weak;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::fault::ConnectFailed;
use super::{Inner, Store};
use crate::error::{Error, Result};
use crate::log_limit::LogLimit;

/// How often to try connecting while the database is unavailable, besides what requests do.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How often the log reports that the database is out of connections, which any request can run into.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Since when the database has been unavailable, if it is.
#[derive(Debug)]
pub(super) struct Availability {
    away_since: watch::Sender<Option<Instant>>,
    no_room: LogLimit,
}

impl Default for Availability {
    fn default() -> Self {
        Self {
            away_since: watch::Sender::new(None),
            no_room: LogLimit::new(WARNING_INTERVAL),
        }
    }
}

impl Availability {
    /// Evaluates the result of work on the database.
    pub(super) fn learn<T>(&self, done: &Result<T>) {
        match done {
            Err(Error::Unavailable(cause)) if cause.is::<ConnectFailed>() => {
                let has_gone = self.away_since.send_if_modified(|since| {
                    let is_news = since.is_none();
                    since.get_or_insert_with(Instant::now);
                    is_news
                });
                if has_gone {
                    tracing::error!(
                        cause = cause.to_string(),
                        "the database is unavailable: requests that need it get UNAVAILABLE until it is available again"
                    );
                }
            }
            Err(Error::Unavailable(cause)) => {
                if let Some(left_out) = self.no_room.allow_now() {
                    tracing::warn!(
                        cause = cause.to_string(),
                        left_out,
                        "the database has no free connection for a request, which gets UNAVAILABLE"
                    );
                }
            }
            Ok(_) if self.away_since.borrow().is_some() => {
                if let Some(since) = self.away_since.send_replace(None) {
                    let away_seconds = since.elapsed().as_secs_f64();
                    tracing::info!(away_seconds, "the database is available again");
                }
            }
            _ => {}
        }
    }

    /// Tries to reach an unavailable database until it is back, even without requests. Ends with the store.
    pub(super) fn watch(&self, store: Weak<Inner>) {
        let mut away_since = self.away_since.subscribe();
        tokio::spawn(async move {
            while away_since.wait_for(Option::is_some).await.is_ok() {
                tokio::time::sleep(CHECK_INTERVAL).await;
                match store.upgrade().map(Store) {
                    // The result is evaluated by `learn`.
                    Some(store) if !store.closing().is_cancelled() => {
                        drop(store.migration_status().await);
                    }
                    _ => return,
                }
            }
        });
    }
}
