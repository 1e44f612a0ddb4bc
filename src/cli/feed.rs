//! `broadsheet feed`.

use clap::Subcommand;

use super::{Done, open_existing, print};
use crate::config::DatabaseSettings;

#[derive(Debug, Subcommand)]
pub(super) enum FeedCommand {
    /// Begin a new epoch, after restoring the database from a backup: earlier cursors of clients expire
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
    let reason =
        "a sandbox would roll back a new epoch of the feed immediately: unset DB_FORCE_ROLL_BACK";
    let store = open_existing(database, reason).await?;
    let begun = store.begin_feed_epoch().await;
    store.close().await;
    print(&format!("epoch {}\n", begun?.0))
}
