//! Removes expired idempotency keys.

use std::time::Duration;

use super::expired;
use crate::error::{Error, Result};
use crate::store::connection::run;
use crate::store::sql::idempotency::RemoveExpired;
use crate::store::{Access, Store};

/// The number of keys, with their results, that one transaction removes.
const REMOVED_AT_ONCE: i64 = 500;

const BETWEEN_BATCHES: Duration = Duration::from_millis(50);

impl Store {
    /// Removes keys that are older than `retention` periodically, and never returns. A key past its retention counts as
    /// expired even before it is removed.
    pub async fn sweep_idempotency_keys(&self, retention: Duration) {
        let pause = (retention / 10).clamp(Duration::from_millis(100), Duration::from_mins(1));
        let mut has_failed = false;
        loop {
            tokio::time::sleep(pause).await;
            loop {
                match self.remove_expired_idempotency_keys(retention).await {
                    Ok(has_more) => {
                        has_failed = false;
                        if !has_more {
                            break;
                        }
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut has_failed, true) {
                            tracing::warn!(%error, "expired idempotency keys could not be removed");
                        }
                        break;
                    }
                }
                tokio::time::sleep(BETWEEN_BATCHES).await;
            }
        }
    }

    /// Removes the oldest keys that are older than `retention`; returns whether there may be more.
    ///
    /// # Errors
    /// The database does not answer. A database that takes no writes at the moment is not an error.
    pub async fn remove_expired_idempotency_keys(&self, retention: Duration) -> Result<bool> {
        let remove = RemoveExpired {
            expired: expired(self.0.clock.now(), retention),
            limit: REMOVED_AT_ONCE,
        };
        let removed = self
            .run_in_task(Access::Write, move |connection| {
                Box::pin(async move { Ok(run!(connection, |c| remove.execute(c))?) })
            })
            .await;
        match removed {
            Ok(removed) => Ok(i64::try_from(removed).unwrap_or(i64::MAX) >= REMOVED_AT_ONCE),
            Err(Error::NoWrites { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
