//! `broadsheet migrate`.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Done, print};
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::store::{self, Migrate, MigrationStatus, Store};

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// What to do
    #[arg(value_enum, default_value_t = MigrateAction::Up)]
    action: MigrateAction,

    /// Do not ask before `down` deletes data
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MigrateAction {
    /// Apply all pending migrations
    Up,
    /// Revert the migration that was applied last
    Down,
    /// Show which migrations are applied and which are pending
    Status,
}

/// Applies or reverts migrations, or shows them.
pub(super) async fn migrate(arguments: MigrateArgs) -> Done {
    let action = match arguments.action {
        MigrateAction::Up => Migrate::Up,
        MigrateAction::Down => {
            if !arguments.yes {
                ask_before_down(&arguments.database).await?;
            }
            Migrate::Down
        }
        MigrateAction::Status => Migrate::Status,
    };
    let status = store::migrate(&arguments.database, action).await?;
    let MigrationStatus {
        applied,
        pending,
        unknown,
    } = status;
    let mut lines = String::new();
    for version in applied {
        let state = match unknown.contains(&version) {
            true => "applied, unknown to this binary",
            false => "applied",
        };
        lines.extend([version.as_str(), " ", state, "\n"]);
    }
    for version in pending {
        lines.extend([version.as_str(), " pending\n"]);
    }
    print(&lines)
}

/// Prints what would be lost, and asks for confirmation on a terminal.
async fn ask_before_down(database: &DatabaseSettings) -> Done {
    let status = store::migrate(database, Migrate::Status).await?;
    let Some(version) = status.applied.last().filter(|_| status.unknown.is_empty()) else {
        // There is nothing to revert, or the migration is unknown to this binary.
        return Ok(());
    };
    let once = DatabaseSettings {
        start_timeout: Duration::ZERO,
        force_roll_back: false,
        ..database.clone()
    };
    let store = Store::open(&once, Clock::system(), false).await?;
    let loss = store.loss_by_reverting(version).await;
    store.close().await;
    let what = format!("migrate down reverts {version}, and deletes {}", loss?);
    let mut terminal = std::io::stderr();
    if !std::io::stdin().is_terminal() || !terminal.is_terminal() {
        return Err(format!("{what}; nothing was done: confirm with --yes").into());
    }
    write!(terminal, "{what}. Continue? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err("nothing was done".into()),
    }
}
