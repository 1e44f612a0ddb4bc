//! `broadsheet seed`.

use clap::Args;

use super::progress::Progress;
use super::{for_terminal, index, open};
use crate::cli::{Done, print};
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::error::Violation;
use crate::store::import::{ImportIndex, Incoming, OnConflict};
use crate::transfer::demonstration;

#[derive(Debug, Args)]
pub(in crate::cli) struct SeedArgs {
    /// The number of articles
    #[arg(value_name = "COUNT")]
    count: u64,

    #[command(flatten)]
    database: DatabaseSettings,
}

/// The number of articles that are created in one transaction.
const SEEDED_AT_ONCE: u64 = 1_000;

pub(in crate::cli) async fn seed(arguments: SeedArgs) -> Done {
    let store = open(&arguments.database, true).await?;
    let now = Clock::system().now();
    let mut progress = Progress::new();
    let mut done = 0;
    let seeded = loop {
        let until = arguments.count.min(done + SEEDED_AT_ONCE);
        let rows = (done..until).map(|number| {
            let new = demonstration::article(number, now)?;
            Ok(Incoming {
                row: number + 1,
                id: None,
                updated_at: new.created_at,
                new,
                version: None,
            })
        });
        let rows: Result<Vec<_>, Violation> = rows.collect();
        let rows = rows.map_err(|violation| violation.0)?;
        let imported = async {
            let rows = store.prepare_rows(rows, ImportIndex::Now).await?;
            store.import(rows, OnConflict::Error, true, None).await
        };
        if let Err(error) = imported.await {
            break Err(for_terminal(error));
        }
        done = until;
        progress.at(done);
        if done == arguments.count {
            break Ok(());
        }
    };
    let indexed = match &seeded {
        Ok(()) => index(&store, &mut progress).await,
        Err(_) => Ok(()),
    };
    store.close().await;
    seeded?;
    indexed?;
    print(&format!("{done} articles created\n"))
}
