//! The change log: where the feed stands, what follows a cursor, and what is no longer kept.
//!
//! The triggers of the migration `change_log` write it. On PostgreSQL a change gets its position only after its
//! commit, when somebody asks; `postgres/feed.rs` and `sqlite/feed.rs` listen for the writes of others.

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

/// How many positions a call looks at, so that a filter that matches little reads no more of the log than that.
const POSITIONS: i64 = 10_000;

/// The fewest changes whose sizes are asked for before they are read.
const FEW: i64 = 16;

/// How many changes one transaction removes.
const REMOVED_AT_ONCE: i64 = 1_000;

/// Which changes the feed has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedState {
    /// After the newest change.
    pub head: FeedCursor,
    /// Before the oldest change that is kept.
    pub oldest: FeedCursor,
}

impl FeedState {
    /// Checks that all that follows `after` is there.
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
    /// The last position to look at, which the feed must have.
    pub upto: i64,
    pub filter: ChangeFilter,
    /// How many changes at most.
    pub first: usize,
    /// How many bytes of text at most, although always one change.
    pub text_bytes: usize,
    /// Whether the texts of the articles are wanted.
    pub text: bool,
}

/// Changes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesPage {
    pub changes: Vec<ArticleChange>,
    /// Where to continue: after the last of the changes, or where the search for more has ended.
    pub end: FeedCursor,
    /// Whether there are positions after `end`, up to [`ChangesAfter::upto`], that have not been looked at; none of
    /// them need match.
    pub has_more: bool,
}

impl Store {
    /// Where the feed stands: every change that had committed before the call is at or before its head.
    pub async fn feed_state(&self) -> Result<FeedState> {
        let access = match &self.0.database {
            Database::Postgres(_) => Access::Write,
            Database::Sqlite(_) => Access::Read,
        };
        self.run_in_task(access, |connection| {
            Box::pin(async move {
                if let Connection::Postgres(connection) = connection {
                    match postgres::feed::number_committed(connection).await {
                        // Who may not write reads what others have numbered.
                        Ok(()) | Err(Error::NoWrites { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                state(connection).await
            })
        })
        .await
    }

    /// The changes that follow a cursor, among the next 10,000 positions. A filter may match none of these: the page is
    /// empty then, and its end has advanced nevertheless.
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
                    // Afterwards: were they kept then, they were all there before.
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

    /// Removes changes that have been in the feed for longer than `retention`, a batch at a time, oldest first;
    /// answers whether there may be more. Whoever has not read them learns it by [`Error::CursorExpired`].
    pub async fn remove_old_changes(&self, retention: Duration) -> Result<bool> {
        // What has no position yet would otherwise wait for the next reader.
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
            // Once it takes writes again there is time enough.
            Err(Error::NoWrites { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins a new epoch of the feed, for an operator who has restored the database from a backup: cursors from before
    /// expire, since their positions may stand for other changes now.
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

    /// Marks `notified` when another server or program may have written, and tells other servers that this one has;
    /// ends never. Where that takes effort it is done only while `wanted` holds more than zero. Some writes are missed.
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

/// The wanted changes of `range` that fit on a page, and whether there are more.
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
    // Of few changes the sizes are seen when they are read.
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

/// How many of the changes, given by position and size, fit on the page, from the first one on.
fn fitting(wanted: &ChangesAfter, sizes: &[(i64, i32)]) -> usize {
    let mut bytes = 0_usize;
    let fit = sizes.iter().take(wanted.first).enumerate();
    fit.take_while(|(index, (_, size))| {
        bytes += usize::try_from(*size).unwrap_or(0) * usize::from(wanted.text);
        bytes <= wanted.text_bytes || *index == 0
    })
    .count()
}
