//! The time limit for the statements of a piece of work.
//!
//! Diesel exposes neither SQLite's interrupt nor its progress handler. So statements that may read many rows call a
//! function of ours, which fails after the time limit: for each row, or for each 64th number where rows take less time
//! than the call. The function finds the limit in a thread-local, because a piece of work runs on one thread from
//! beginning to end.
//!
//! Decision: `docs/decisions/0010-sqlite-limits.md`.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use diesel::result::Error as DieselError;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, SqliteConnection};

use crate::store::detach_on_drop::Abandoned;

thread_local! {
    static CURRENT: RefCell<Option<TimeLimit>> = const { RefCell::new(None) };
}

diesel::define_sql_function! {
    /// True, or an error after the time limit. The argument makes SQLite call the function for each row of its table.
    fn within_time_limit(row: BigInt) -> Bool;
}

/// The message that SQLite reports when the function fails after the time limit.
const TIMED_OUT: &str = "the time limit of the statement is over";

/// The deadline of a piece of work.
#[derive(Debug)]
pub(super) struct TimeLimit {
    /// `None` for no limit.
    until: Option<Instant>,
    abandoned: Abandoned,
}

impl TimeLimit {
    /// A limit that starts now and lasts for `time`; no limit where that is zero, as on PostgreSQL.
    pub(super) fn start(time: Duration, abandoned: Abandoned) -> Self {
        let until = match time.is_zero() {
            true => None,
            false => Instant::now().checked_add(time),
        };
        Self { until, abandoned }
    }

    /// Runs `work` under this limit, on this thread.
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        /// Removes the limit even after a panic: the thread serves other work.
        struct ResetOnDrop;
        impl Drop for ResetOnDrop {
            fn drop(&mut self) {
                CURRENT.take();
            }
        }
        CURRENT.set(Some(self));
        let _reset = ResetOnDrop;
        work()
    }

    fn is_over(&self) -> bool {
        self.abandoned.is_set() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// The result of the function, which is an error after the time limit.
#[derive(Debug)]
pub(super) struct WithinTimeLimit(pub(super) bool);

impl ToSql<Bool, Sqlite> for WithinTimeLimit {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        let is_over = |limit: &Option<TimeLimit>| limit.as_ref().is_some_and(TimeLimit::is_over);
        match CURRENT.with_borrow(is_over) {
            true => Err(TIMED_OUT.into()),
            false => ToSql::<Bool, Sqlite>::to_sql(&self.0, out),
        }
    }
}

pub(super) fn register(connection: &mut SqliteConnection) -> QueryResult<()> {
    within_time_limit_utils::register_nondeterministic_impl(connection, |_: i64| {
        WithinTimeLimit(true)
    })
}

/// Whether a statement was ended by its time limit.
pub(super) fn timed_out(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, info) if info.message().contains(TIMED_OUT))
}
