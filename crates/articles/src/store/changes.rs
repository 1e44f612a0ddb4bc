//! The change log: the state of the feed, the changes after a cursor, and the removal of old ones.
//!
//! The triggers of the migration `change_log` write it. On PostgreSQL a change gets its position only after its commit,
//! when a reader asks for changes; `postgres/feed.rs` and `sqlite/feed.rs` listen for writes of other programs.

pub(super) mod lag;
mod scan;

use std::time::Duration;

use diesel::dsl::max;
use diesel::{ExpressionMethods as _, QueryDsl as _};
use tokio::sync::watch;

pub use self::lag::FeedLag;
use self::scan::{Changes, Range, Row, Sizes};
use super::connection::{Connection, read_rows, run};
use super::sql::tables::{article_feed, feed};
use super::{Access, Database, Store, postgres, sqlite};
use crate::article::change::{ArticleChange, ChangeFilter, Epoch, FeedCursor};
use crate::error::{Error, Result};

/// The maximum number of positions that a call scans, so that a filter with few matches does not read the whole log.
const POSITIONS: i64 = 10_000;

/// From this number of changes on, their sizes are queried before the changes are read.
const FEW: i64 = 16;

/// The number of changes that one transaction removes.
const REMOVED_AT_ONCE: i64 = 1_000;

/// The range of changes that the feed has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedState {
    /// The position of the newest change.
    pub head: FeedCursor,
    /// The position before the oldest change that is kept.
    pub oldest: FeedCursor,
}

impl FeedState {
    /// Checks that all changes after `after` are kept.
    ///
    /// # Errors
    /// [`Error::CursorExpired`]
    pub fn check(&self, after: FeedCursor) -> Result<()> {
        let kept = self.oldest.position..=self.head.position;
        if after.epoch == self.head.epoch && kept.contains(&after.position) {
            return Ok(());
        }
        Err(Error::CursorExpired {
            oldest: self.oldest.to_string(),
        })
    }
}

/// Which changes to read.
#[derive(Debug, Clone)]
pub struct ChangesAfter {
    pub after: FeedCursor,
    /// The last position to read, which the feed must have.
    pub upto: i64,
    pub filter: ChangeFilter,
    /// The maximum number of changes.
    pub first: usize,
    /// The maximum bytes of text, but always at least one change.
    pub text_bytes: usize,
    /// Whether the texts of the articles are selected.
    pub text: bool,
}

/// Changes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesPage {
    pub changes: Vec<ArticleChange>,
    /// Where to continue: after the last of the changes, or where the scan has ended.
    pub end: FeedCursor,
    /// Whether there are positions after `end`, up to [`ChangesAfter::upto`], that were not scanned; they may have no
    /// matches.
    pub has_more: bool,
}

impl Store {
    /// The state of the feed. Its head is at or after every change that had committed before the call.
    pub async fn feed_state(&self) -> Result<FeedState> {
        let access = match &self.0.database {
            Database::Postgres(_) => Access::Write,
            Database::Sqlite(_) => Access::Read,
        };
        self.run_in_task(access, |connection| {
            Box::pin(async move {
                if let Connection::Postgres(connection) = connection {
                    match postgres::feed::number_committed(connection).await {
                        // A server that may not write reads the changes that others have numbered.
                        Ok(()) | Err(Error::NoWrites { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                state(connection).await
            })
        })
        .await
    }

    /// The changes after a cursor, within the next 10,000 positions. Where the filter matches none of them, the page is
    /// empty, but its end has advanced nevertheless.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] where some of them are no longer kept.
    pub async fn changes(&self, wanted: ChangesAfter) -> Result<ChangesPage> {
        let ChangesAfter { after, upto, .. } = wanted;
        if after.position >= upto || wanted.filter.matches_nothing() {
            return Ok(ChangesPage {
                changes: Vec::new(),
                end: after.at(upto),
                has_more: false,
            });
        }
        let range = Range {
            after: after.position,
            upto: upto.min(after.position.saturating_add(POSITIONS)),
        };
        let (changes, is_full) = self
            .run(Access::Read, move |connection| {
                Box::pin(async move {
                    let scanned = scan(connection, range, &wanted).await?;
                    // Checked after reading: if they are kept now, they were all there before.
                    state(connection).await?.check(after)?;
                    Ok(scanned)
                })
            })
            .await?;
        let end = match changes.last() {
            Some(last) if is_full => last.cursor,
            _ => after.at(range.upto),
        };
        Ok(ChangesPage {
            changes,
            end,
            has_more: end.position < upto,
        })
    }

    /// Removes the oldest changes that have been in the feed for longer than `retention`, up to a fixed number; returns
    /// whether there may be more. Readers that have not received them get [`Error::CursorExpired`].
    pub async fn remove_old_changes(&self, retention: Duration) -> Result<bool> {
        // Changes without a position would otherwise stay until the next reader numbers them.
        self.feed_state().await?;
        let removed = self
            .run_in_task(Access::Transaction, move |connection| {
                Box::pin(async move {
                    match connection {
                        Connection::Postgres(connection) => {
                            postgres::feed::remove_old(connection, retention, REMOVED_AT_ONCE).await
                        }
                        Connection::Sqlite(connection) => {
                            sqlite::feed::remove_old(connection, retention, REMOVED_AT_ONCE)
                        }
                    }
                })
            })
            .await;
        match removed {
            Ok(removed) => Ok(removed >= REMOVED_AT_ONCE),
            // They can be removed when the database accepts writes again.
            Err(Error::NoWrites { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins a new epoch of the feed, for an operator who has restored the database from a backup: older cursors
    /// expire, since their positions may mean other changes now.
    pub async fn begin_feed_epoch(&self) -> Result<Epoch> {
        let epoch = Epoch(self.0.clock.new_id());
        self.run(Access::Write, move |connection| {
            Box::pin(async move {
                run!(connection, |c| diesel::update(feed::table)
                    .set(feed::epoch.eq(epoch))
                    .execute(c))?;
                Ok(epoch)
            })
        })
        .await
    }

    /// Marked as changed after each write of this server.
    pub(crate) fn written(&self) -> watch::Receiver<()> {
        self.0.written.subscribe()
    }

    /// Marks `notified` when another server or program may have written, and notifies other servers of this one's
    /// writes. Never returns. Where this has a cost, it is done only while `wanted` is above zero. Some writes may go
    /// unnoticed.
    pub(crate) async fn listen(
        &self,
        notified: &watch::Sender<()>,
        wanted: watch::Receiver<usize>,
    ) {
        match &self.0.database {
            Database::Postgres(postgres) => postgres.listen(self.written(), notified).await,
            Database::Sqlite(sqlite) => sqlite.listen(notified, wanted).await,
        }
    }
}

async fn state(connection: &mut Connection<'_>) -> Result<FeedState> {
    let head = article_feed::table
        .select(max(article_feed::position))
        .single_value();
    let (epoch, floor, head): (Epoch, i64, Option<i64>) = run!(connection, |c| feed::table
        .select((feed::epoch, feed::floor, head))
        .first(c))?;
    let oldest = FeedCursor {
        epoch,
        position: floor,
    };
    Ok(FeedState {
        head: oldest.at(head.unwrap_or(floor)),
        oldest,
    })
}

/// The selected changes of `range` that fit on a page, and whether there are more.
async fn scan(
    connection: &mut Connection<'_>,
    mut range: Range,
    wanted: &ChangesAfter,
) -> Result<(Vec<ArticleChange>, bool)> {
    let filter = &wanted.filter;
    let first = i64::try_from(wanted.first).unwrap_or(i64::MAX);
    let mut is_full = false;
    if range.upto - range.after > FEW.min(first) {
        let sizes = Sizes {
            range,
            filter,
            limit: first.saturating_add(1),
        };
        let sizes: Vec<(i64, i32)> = run!(connection, |c| sizes.load(c))?;
        let fitting = fitting(wanted, &sizes);
        is_full = fitting < sizes.len();
        range.upto = match fitting.checked_sub(1).and_then(|last| sizes.get(last)) {
            Some(&(last, _)) => last,
            None => return Ok((Vec::new(), is_full)),
        };
    }
    let statement = Changes {
        range,
        filter,
        text: wanted.text,
    };
    let mut changes: Vec<ArticleChange> = Vec::new();
    let mut bytes = 0;
    // For few changes, the sizes are checked while they are read.
    read_rows!(connection, statement, Row, |row| {
        let change = row.into_change(wanted.after)?;
        bytes += change
            .article
            .as_ref()
            .map_or(0, |article| article.text.len());
        if bytes > wanted.text_bytes && wanted.text && !changes.is_empty() {
            is_full = true;
            break;
        }
        changes.push(change);
    });
    Ok((changes, is_full))
}

/// The number of changes, given by position and size, that fit on the page, counted from the first.
fn fitting(wanted: &ChangesAfter, sizes: &[(i64, i32)]) -> usize {
    let mut bytes = 0_usize;
    let fit = sizes.iter().take(wanted.first).enumerate();
    fit.take_while(|(index, (_, size))| {
        bytes += usize::try_from(*size).unwrap_or(0) * usize::from(wanted.text);
        bytes <= wanted.text_bytes || *index == 0
    })
    .count()
}
