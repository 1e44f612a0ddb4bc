//! `broadsheet feed`.

use clap::Subcommand;

use super::{Done, open_existing, print};
use crate::config::DatabaseSettings;

#[derive(Debug, Subcommand)]
pub(super) enum FeedCommand {
    /// Begin a new epoch, after the database was restored from a backup: clients' cursors from before expire
    NewEpoch {
        #[command(flatten)]
        database: DatabaseSettings,
    },
}

/// Executes a command of the feed.
pub(super) async fn run(command: FeedCommand) -> Done {
    let FeedCommand::NewEpoch { database } = command;
    new_epoch(&database).await
}

async fn new_epoch(database: &DatabaseSettings) -> Done {
    let reason = "in the sandbox a new epoch of the feed would be rolled back at once: unset DB_FORCE_ROLL_BACK";
    let store = open_existing(database, reason).await?;
    let begun = store.begin_feed_epoch().await;
    store.close().await;
    print(&format!("epoch {}\n", begun?.0))
}
