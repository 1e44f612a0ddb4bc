//! `broadsheet check` and `broadsheet reindex`: check derived data, and index all articles again.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::{Done, Opened, open_existing, print};
use crate::config::DatabaseSettings;
use crate::error::Error;
use crate::store::{Checked, Store};

/// As [`open_existing`], but fails if a migration is pending.
async fn open_migrated(database: &DatabaseSettings) -> Opened {
    let reason = "the search index of a sandbox is discarded with it: unset DB_FORCE_ROLL_BACK";
    // Checks of the whole database have no time limit.
    let database = DatabaseSettings {
        statement_timeout: Duration::ZERO,
        ..database.clone()
    };
    let store = open_existing(&database, reason).await?;
    let pending = match store.migration_status().await {
        Ok(status) if status.pending.is_empty() => return Ok(store),
        Ok(status) => format!("migrations are pending ({})", status.pending.join(", ")),
        Err(Error::Internal(_)) => "the database has no migrations".to_owned(),
        Err(error) => error.to_string(),
    };
    store.close().await;
    Err(format!("{pending}; run `broadsheet migrate` first").into())
}

/// Prints each finding, and how to fix it.
pub(super) async fn check(database: &DatabaseSettings) -> Done {
    let store = open_migrated(database).await?;
    let checked = check_all(&store).await;
    store.close().await;
    match checked? {
        0 => Ok(()),
        1 => Err("one problem was found".into()),
        count => Err(format!("{count} problems were found").into()),
    }
}

/// Returns the number of findings.
async fn check_all(store: &Store) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
    let mut count = 0;
    let mut print_check = |checked: Checked| {
        count += checked.findings.len();
        print(&checked.to_string())
    };
    print_check(store.check_schema().await?)?;
    if let Some(checked) = store.check_pages().await? {
        print_check(checked)?;
    }
    print_check(store.check_feed().await?)?;
    print_check(store.check_slug_runs().await?)?;
    print_check(store.check_words().await?.into())?;
    Ok(count)
}

pub(super) async fn reindex(database: &DatabaseSettings) -> Done {
    let store = open_migrated(database).await?;
    let mut printed_at = Instant::now();
    let done = store
        .reindex(|progress| {
            if printed_at.elapsed() >= Duration::from_secs(5) {
                printed_at = Instant::now();
                let _ = writeln!(std::io::stderr(), "indexed {progress}");
            }
        })
        .await;
    store.close().await;
    print(&format!("indexed {}\n", done?))
}
