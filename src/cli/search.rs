//! `broadsheet check` and `broadsheet reindex`: the words that articles are found by.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::{Done, Opened, open_existing, print};
use crate::config::DatabaseSettings;
use crate::error::Error;

/// As [`open_existing`], where no migration is pending.
async fn open_migrated(database: &DatabaseSettings) -> Opened {
    let refusal = "the search of the sandbox is gone with it: unset DB_FORCE_ROLL_BACK";
    let store = open_existing(database, refusal).await?;
    let pending = match store.migration_status().await {
        Ok(status) if status.pending.is_empty() => return Ok(store),
        Ok(status) => format!("migrations are pending ({})", status.pending.join(", ")),
        Err(Error::Internal(_)) => "the database has no migrations".to_owned(),
        Err(error) => error.to_string(),
    };
    store.close().await;
    Err(format!("{pending}; run `broadsheet migrate` first").into())
}

pub(super) async fn check(database: &DatabaseSettings) -> Done {
    let store = open_migrated(database).await?;
    let checked = store.check_words().await;
    store.close().await;
    let checked = checked?;
    print(&checked.to_string())?;
    match checked.is_in_step() {
        true => Ok(()),
        false => {
            Err("the search is not in step with the articles: a server brings what other programs write up to date \
             within seconds; for the rest run `broadsheet reindex`"
                .into())
        }
    }
}

pub(super) async fn reindex(database: &DatabaseSettings) -> Done {
    let store = open_migrated(database).await?;
    let mut told_at = Instant::now();
    let done = store
        .reindex(|progress| {
            if told_at.elapsed() >= Duration::from_secs(5) {
                told_at = Instant::now();
                let _ = writeln!(std::io::stderr(), "indexed {progress}");
            }
        })
        .await;
    store.close().await;
    print(&format!("indexed {}\n", done?))
}
