//! The change feed: what the triggers log, what subscribers receive, and how removed changes are reported.

mod bounds;
mod graphql;
mod lag;
mod log;
mod subscribers;

use std::sync::Arc;
use std::time::Duration;

use broadsheet::article::change::{ArticleChange, ChangeFilter, FeedCursor};
use broadsheet::clock::Clock;
use broadsheet::error::Result;
use broadsheet::feed::Feed;
use broadsheet::store::Store;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::support::{Database, OwnDatabase, Settings};

/// Longer than a test runs.
const RETENTION: Duration = Duration::from_hours(1);

/// Changes must be received within this time, even on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) type Changes = BoxStream<'static, Result<Arc<ArticleChange>>>;

/// A server without HTTP.
pub(crate) struct Node {
    pub(crate) store: Store,
    feed: Feed,
}

impl Node {
    pub(crate) async fn start(database: &OwnDatabase, flags: &[&str]) -> Self {
        Self::keeping(database, flags, RETENTION).await
    }

    async fn keeping(database: &OwnDatabase, flags: &[&str], retention: Duration) -> Self {
        let settings = Settings::new(&database.url, flags).database;
        // The machine's clock: fixed clocks would generate the same ids on each server.
        let store = Store::open(&settings, Clock::system(), true).await.unwrap();
        let feed = Feed::start(store.clone(), retention);
        Self { store, feed }
    }

    pub(crate) async fn subscribe(&self, after: Option<FeedCursor>) -> Changes {
        let changes = self.feed.subscribe(after, ChangeFilter::default()).await;
        changes.unwrap().boxed()
    }

    async fn head(&self) -> FeedCursor {
        self.feed.head().await.unwrap()
    }
}

/// A database for one test and a server on it; returns from the test where there is no such database.
macro_rules! start {
    ($database:expr) => {{
        let database: $crate::support::Database = $database;
        match database.migrated().await {
            Some(database) => {
                let node = super::Node::start(&database, &[]).await;
                (database, node)
            }
            None => return,
        }
    }};
}
use start;

/// The next `count` changes.
pub(crate) async fn next(changes: &mut Changes, count: usize) -> Vec<Arc<ArticleChange>> {
    let received = changes.by_ref().take(count).try_collect();
    let received = tokio::time::timeout(TIMEOUT, received).await;
    received.expect("a change was not received").unwrap()
}

/// A change as one line: its kind, and the article after it.
pub(crate) fn change_line(change: &ArticleChange) -> String {
    let kind = change.kind;
    match &change.article {
        None => format!("{kind:?}"),
        Some(article) => format!(
            "{kind:?} {:?} {:?} {:?} version {}",
            article.title, article.slug, article.text, article.version
        ),
    }
}

fn change_lines(changes: &[Arc<ArticleChange>]) -> Vec<String> {
    changes.iter().map(|change| change_line(change)).collect()
}

/// SQL for a new UUID.
fn new_id(database: Database) -> &'static str {
    match database {
        Database::Sqlite => "randomblob(16)",
        Database::Postgres => "gen_random_uuid()",
    }
}
