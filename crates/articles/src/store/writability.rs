//! Whether the database takes writes: a replica does not, nor does a read-only file, nor a full disk.
//!
//! Reads continue in the meantime. The log reports the problem once, and its end once.

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

/// How long the check of whether SQLite takes writes waits for the writer.
const WRITER_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the last write was rejected, and why.
#[derive(Debug, Default)]
pub(super) struct Writability {
    is_refused: AtomicBool,
    reason: Mutex<Option<NoWrites>>,
}

impl Writability {
    /// Handles the error of a failed write, and adds the cause if the statement's error alone does not show it.
    pub(super) fn after<T>(&self, access: Access, done: Result<T>) -> Result<T> {
        match access.writes() {
            true => done.map_err(|error| self.learn(error)),
            false => done,
        }
    }

    /// Logs an error that means that no writes are taken, unless it was logged already.
    fn learn(&self, error: Error) -> Error {
        let error = as_no_writes(error);
        if let Error::NoWrites { reason, .. } = &error
            && self.replace(Some(*reason)) != Some(*reason)
        {
            tracing::error!("{error}; reads continue");
        }
        error
    }

    /// Records a successful write. A write that changed no row proves nothing.
    pub(super) fn taken(&self) {
        if self.is_refused.load(Ordering::Relaxed) && self.replace(None).is_some() {
            tracing::info!("the database accepts writes again");
        }
    }

    fn replace(&self, reason: Option<NoWrites>) -> Option<NoWrites> {
        let mut kept = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_refused.store(reason.is_some(), Ordering::Relaxed);
        std::mem::replace(&mut *kept, reason)
    }
}

/// Turns an error that would otherwise be a bug of ours into one that says that the database accepts no writes.
fn as_no_writes(error: Error) -> Error {
    let Error::Internal(cause) = &error else {
        return error;
    };
    let reason = cause.downcast_ref::<DieselError>().and_then(|error| {
        postgres::prevents_writes(error).or_else(|| sqlite::prevents_writes(error))
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
    /// Checks that the database takes writes. Where it has rejected one, this writes an article and rolls back.
    ///
    /// # Errors
    /// [`Error::NoWrites`] where it takes none. Any other error means that the check itself failed.
    pub async fn check_writes(&self) -> Result<()> {
        let writability = &self.0.writability;
        let checked = match &self.0.database {
            Database::Postgres(_) => self.ask_postgres().await,
            Database::Sqlite(_) => self.ask_sqlite().await,
        };
        let checked = match checked {
            Ok(()) if writability.is_refused.load(Ordering::Relaxed) => self.try_to_write().await,
            other => other,
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
                    let columns = (
                        dsl::sql::<Bool>("current_setting('transaction_read_only')::boolean"),
                        dsl::sql::<Bool>(
                            "has_table_privilege('article', 'INSERT') AND has_table_privilege('article', 'UPDATE')
                                AND has_table_privilege('article', 'DELETE')",
                        ),
                    );
                    Ok(run!(connection, |c| diesel::select(columns).get_result(c))?)
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

    /// A statement that writes is rejected even if it matches no rows.
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
        match timeout(WRITER_TIMEOUT, nothing).await {
            // Other writes are waiting, and will show whether the database accepts writes.
            Err(_) | Ok(Err(Error::Unavailable(_))) => Ok(()),
            Ok(result) => result,
        }
    }

    /// Writes an article that is never committed, and an unchanged row.
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
                // Rolls back.
                Err(Error::NotFound)
            })
        });
        match written.await {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
        // SQLite writes to the disk only at a commit.
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
