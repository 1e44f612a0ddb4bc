//! Whether the database takes writes: a replica does not, nor a file that belongs to somebody else, nor a full disk.
//!
//! Reading goes on meanwhile. The log says once what is wrong, and once that it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use diesel::result::Error as DieselError;
use diesel::sql_types::Bool;
use diesel::{ExpressionMethods as _, dsl};
use tokio::time::timeout;
use uuid::Uuid;

use super::connection::run;
use super::sql::tables::feed;
use super::sql::write::Insert;
use super::{Access, Database, Store, postgres, sqlite};
use crate::article::{Article, ArticleId};
use crate::error::{Error, NoWrites, Result};

/// How long a question whether SQLite takes writes waits behind those that there are.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the last write was refused, and why.
#[derive(Debug, Default)]
pub(super) struct Writability {
    is_refused: AtomicBool,
    reason: Mutex<Option<NoWrites>>,
}

impl Writability {
    /// Learns from how a write has failed, and names what the statement alone could not tell.
    pub(super) fn after<T>(&self, access: Access, done: Result<T>) -> Result<T> {
        match access {
            Access::Read | Access::Scan | Access::Snapshot => done,
            Access::Write | Access::Transaction | Access::Bulk => {
                done.map_err(|error| self.learn(error))
            }
        }
    }

    /// Tells the log where the error means that no writes are taken, unless it has been told.
    fn learn(&self, error: Error) -> Error {
        let error = refusal(error);
        if let Error::NoWrites { reason, .. } = &error
            && self.replace(Some(*reason)) != Some(*reason)
        {
            tracing::error!("{error}; reading goes on");
        }
        error
    }

    /// Learns that something was written. A write that found nothing to change tells nothing.
    pub(super) fn taken(&self) {
        if self.is_refused.load(Ordering::Relaxed) && self.replace(None).is_some() {
            tracing::info!("the database takes writes again");
        }
    }

    fn replace(&self, reason: Option<NoWrites>) -> Option<NoWrites> {
        let mut kept = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_refused.store(reason.is_some(), Ordering::Relaxed);
        std::mem::replace(&mut *kept, reason)
    }
}

/// An error that would be a fault of ours, did it not come of a write that the database does not allow.
fn refusal(error: Error) -> Error {
    let Error::Internal(cause) = &error else {
        return error;
    };
    let reason = cause.downcast_ref::<DieselError>().and_then(|error| {
        postgres::keeps_from_writing(error).or_else(|| sqlite::keeps_from_writing(error))
    });
    match reason {
        Some(reason) => Error::NoWrites {
            reason,
            cause: cause.clone(),
        },
        None => error,
    }
}

impl Store {
    /// Checks that the database takes writes. Where it has refused one, an article is written and taken back.
    ///
    /// # Errors
    /// [`Error::NoWrites`] where it takes none. Any other means that it could not be asked.
    pub async fn check_writes(&self) -> Result<()> {
        let writability = &self.0.writability;
        let asked = match &self.0.database {
            Database::Postgres(_) => self.ask_postgres().await,
            Database::Sqlite(_) => self.ask_sqlite().await,
        };
        let checked = match asked {
            Ok(()) if writability.is_refused.load(Ordering::Relaxed) => self.try_to_write().await,
            asked => asked,
        };
        match checked {
            Ok(()) => {
                writability.taken();
                Ok(())
            }
            Err(error) => Err(writability.learn(error)),
        }
    }

    async fn ask_postgres(&self) -> Result<()> {
        let (is_read_only, may_write): (bool, bool) = self
            .run_in_task(Access::Read, |connection| {
                Box::pin(async move {
                    let asked = (
                        dsl::sql::<Bool>("current_setting('transaction_read_only')::boolean"),
                        dsl::sql::<Bool>(
                            "has_table_privilege('article', 'INSERT') AND has_table_privilege('article', 'UPDATE')
                                AND has_table_privilege('article', 'DELETE')",
                        ),
                    );
                    Ok(run!(connection, |c| diesel::select(asked).get_result(c))?)
                })
            })
            .await?;
        match (is_read_only, may_write) {
            (true, _) => Err(Error::no_writes(NoWrites::ReadOnly, "PostgreSQL says so")),
            (_, false) => {
                let lacking = "it lacks INSERT, UPDATE or DELETE on the table article";
                Err(Error::no_writes(NoWrites::NotPermitted, lacking))
            }
            (false, true) => Ok(()),
        }
    }

    /// A statement that would write, and finds nothing to write, is refused all the same.
    async fn ask_sqlite(&self) -> Result<()> {
        let nothing = self.run_in_task(Access::Transaction, |connection| {
            Box::pin(async move {
                run!(connection, |c| diesel::update(feed::table)
                    .filter(feed::single.eq(false))
                    .set(feed::floor.eq(0))
                    .execute(c))?;
                Ok(())
            })
        });
        match timeout(PATIENCE, nothing).await {
            // Where others write there is nothing to ask.
            Err(_) | Ok(Err(Error::Unavailable(_))) => Ok(()),
            Ok(asked) => asked,
        }
    }

    /// Writes an article that nobody will see, and something that is as it was.
    async fn try_to_write(&self) -> Result<()> {
        let now = self.0.clock.now();
        let article = Article {
            id: ArticleId(Uuid::nil()),
            title: "a try".to_owned(),
            slug: Uuid::nil().to_string(),
            text: String::new(),
            created_at: now,
            updated_at: now,
            version: 1,
            stored_keys: None,
        };
        let written = self.run_in_task::<()>(Access::Transaction, |connection| {
            Box::pin(async move {
                run!(connection, |c| Insert {
                    articles: std::slice::from_ref(&article),
                    words: &[],
                }
                .execute(c))?;
                // Takes it back.
                Err(Error::NotFound)
            })
        });
        match written.await {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
        // SQLite writes to the disk only what is committed.
        self.run_in_task(Access::Transaction, |connection| {
            Box::pin(async move {
                run!(connection, |c| diesel::update(feed::table)
                    .set(feed::floor.eq(feed::floor))
                    .execute(c))?;
                Ok(())
            })
        })
        .await
    }
}
