//! What an operation did on the database: how long it waited for connections, how long its statements took, how many
//! articles they read or wrote, and which statement was the slowest.
//!
//! An operation is executed in a [`scope`](Statements::scope). The connections find it there: on PostgreSQL in the task
//! that awaits the statement, on SQLite in the thread that runs the work ([`on_thread`]). Work outside a scope, such as
//! that of background tasks, is not measured.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::{
    DebugQuery, Instrumentation, InstrumentationEvent, get_default_instrumentation,
};

tokio::task_local! {
    static CURRENT: Arc<Statements>;
}

/// The SQL of a statement is recorded only where it took at least this long: formatting it costs about as
/// much as executing a fast statement.
const SLOW: Duration = Duration::from_millis(10);

/// The maximum bytes of a statement's SQL that are recorded.
const SQL_BYTES: usize = 2_000;

/// The maximum number of an operation's statements that are recorded one by one.
const MAX_RECORDED: usize = 64;

/// The separator between the SQL and the values in Diesel's output.
const BEFORE_VALUES: &str = " -- binds: ";

/// What one operation did on the database.
#[derive(Debug, Default)]
pub struct Statements {
    waited: Nanoseconds,
    taken: Nanoseconds,
    rows: AtomicU64,
    slowest: Mutex<Option<SlowStatement>>,
    /// The first of its statements, where they are recorded one by one.
    each: Option<Mutex<Vec<RecordedStatement>>>,
}

/// A statement that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStatement {
    /// Its SQL, without values, truncated where it is long.
    pub sql: String,
    pub began: Instant,
    pub duration: Duration,
}

/// A statement that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowStatement {
    /// Its SQL, without values, truncated where it is long.
    pub sql: String,
    /// From sending it to receiving its last row.
    pub duration: Duration,
}

impl Statements {
    /// Keeps the first 64 statements one by one, for a trace.
    pub fn keeping_each() -> Self {
        Self {
            each: Some(Mutex::default()),
            ..Self::default()
        }
    }

    /// The statements one by one, where they are recorded.
    pub fn each(&self) -> Vec<RecordedStatement> {
        let each = self.each.as_ref().map(Mutex::lock);
        each.map_or_else(Vec::new, |each| {
            each.unwrap_or_else(PoisonError::into_inner).clone()
        })
    }

    /// The time spent waiting for connections.
    pub fn waited(&self) -> Duration {
        self.waited.get()
    }

    /// The total duration of all statements. Some may have run at the same time.
    pub fn taken(&self) -> Duration {
        self.taken.get()
    }

    /// The number of articles read or written.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// The slowest statement, if any took 10 ms or more.
    pub fn slowest(&self) -> Option<SlowStatement> {
        let slowest = self.slowest.lock();
        slowest.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `work`, and measures here what it does on the database.
    ///
    /// Not an `async fn`, which would copy the future when it is first polled.
    pub fn scope<T, F: Future<Output = T>>(
        self: &Arc<Self>,
        work: F,
    ) -> impl Future<Output = T> + use<T, F> {
        CURRENT.scope(Arc::clone(self), work)
    }

    /// Adds the measurements of another scope, such as the commit of a shared transaction.
    pub(super) fn add(&self, shared: &Self) {
        self.taken.add(shared.taken());
        if let Some(statement) = shared.slowest() {
            self.record_slowest(statement.duration, || statement.sql);
        }
        for statement in shared.each() {
            self.record(|| statement);
        }
    }

    /// Whether statements are recorded one by one.
    pub(super) fn records_each(&self) -> bool {
        self.each.is_some()
    }

    fn finished(&self, began: Instant, duration: Duration, statement: &dyn DebugQuery) {
        self.taken.add(duration);
        self.record(|| RecordedStatement {
            sql: text(statement),
            began,
            duration,
        });
        if duration >= SLOW {
            self.record_slowest(duration, || text(statement));
        }
    }

    fn record(&self, statement: impl FnOnce() -> RecordedStatement) {
        if let Some(each) = &self.each {
            let mut each = each.lock().unwrap_or_else(PoisonError::into_inner);
            if each.len() < MAX_RECORDED {
                each.push(statement());
            }
        }
    }

    fn record_slowest(&self, duration: Duration, sql: impl FnOnce() -> String) {
        let slowest = self.slowest.lock();
        let mut slowest = slowest.unwrap_or_else(PoisonError::into_inner);
        if slowest
            .as_ref()
            .is_none_or(|slowest| slowest.duration < duration)
        {
            let sql = sql();
            *slowest = Some(SlowStatement { sql, duration });
        }
    }
}

/// The scope of the current task or thread.
pub(super) fn current() -> Option<Arc<Statements>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Runs work on this thread in a scope that was entered elsewhere.
pub(super) fn on_thread<T>(scope: Option<Arc<Statements>>, work: impl FnOnce() -> T) -> T {
    match scope {
        Some(scope) => CURRENT.sync_scope(scope, work),
        None => work(),
    }
}

/// Records a wait for a connection.
pub(super) fn waited(duration: Duration) {
    let _ = CURRENT.try_with(|statements| statements.waited.add(duration));
}

/// Records that articles were read or written.
pub(super) fn rows(count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let _ = CURRENT.try_with(|statements| statements.rows.fetch_add(count, Ordering::Relaxed));
}

/// Measures the statements of one connection.
pub(super) struct StatementTimer {
    began: Option<Instant>,
    /// The default instrumentation of all connections.
    default: Option<Box<dyn Instrumentation>>,
}

impl Default for StatementTimer {
    fn default() -> Self {
        Self {
            began: None,
            default: get_default_instrumentation(),
        }
    }
}

impl Instrumentation for StatementTimer {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match &event {
            InstrumentationEvent::StartQuery { .. } => {
                self.began = CURRENT.try_with(|_| Instant::now()).ok();
            }
            InstrumentationEvent::FinishQuery { query, .. } => {
                if let Some(began) = self.began.take() {
                    let _ = CURRENT.try_with(|scope| {
                        scope.finished(began, began.elapsed(), *query);
                    });
                }
            }
            _ => {}
        }
        if let Some(default) = &mut self.default {
            default.on_connection_event(event);
        }
    }
}

/// The SQL of a statement, without its values.
fn text(statement: &dyn DebugQuery) -> String {
    let mut text = WithoutValues::default();
    // Fails where the text is longer than the limit.
    let _ = write!(text, "{statement}");
    text.finish()
}

/// Collects Diesel's output for a statement until its values begin.
#[derive(Default)]
struct WithoutValues {
    text: String,
}

impl WithoutValues {
    fn finish(self) -> String {
        // No statement of ours contains the separator itself, so it cannot appear earlier.
        let (sql, _) = self
            .text
            .split_once(BEFORE_VALUES)
            .unwrap_or((&self.text, ""));
        if sql.len() <= SQL_BYTES {
            return sql.to_owned();
        }
        let end = sql.floor_char_boundary(SQL_BYTES);
        format!("{}…", sql.get(..end).unwrap_or_default())
    }
}

impl fmt::Write for WithoutValues {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = (SQL_BYTES + BEFORE_VALUES.len()).saturating_sub(self.text.len());
        let end = part.floor_char_boundary(room);
        self.text.push_str(part.get(..end).unwrap_or_default());
        match end < part.len() || self.text.contains(BEFORE_VALUES) {
            true => Err(fmt::Error),
            false => Ok(()),
        }
    }
}

/// A duration to which several threads add.
#[derive(Debug, Default)]
struct Nanoseconds(AtomicU64);

impl Nanoseconds {
    fn add(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::Text;
    use diesel::sqlite::Sqlite;
    use diesel::{ExpressionMethods as _, QueryDsl as _};

    use super::*;
    use crate::store::sql::tables::article;

    #[test]
    fn the_recorded_sql_contains_no_values() {
        let secret = "a secret -- binds: more";
        let query = article::table
            .filter(article::title.eq(secret))
            .select(article::slug);
        let shown = text(&diesel::debug_query::<Sqlite, _>(&query));
        assert_eq!(
            shown,
            "SELECT `article`.`slug` FROM `article` WHERE (`article`.`title` = ?)"
        );
        let long = "é".repeat(SQL_BYTES);
        let query = diesel::dsl::sql::<Text>(&format!("SELECT '{long}'"));
        let shown = text(&diesel::debug_query::<Sqlite, _>(&query));
        assert!(
            shown.ends_with("é…") && shown.len() < SQL_BYTES + 5,
            "{shown}"
        );
    }

    #[tokio::test]
    async fn statements_in_a_scope_are_counted_and_the_slowest_is_recorded() {
        let statements = Arc::new(Statements::default());
        rows(7);
        let scope = statements.scope(async {
            rows(2);
            waited(Duration::from_millis(3));
            let here = current();
            std::thread::spawn(move || on_thread(here, || rows(1)))
                .join()
                .unwrap();
        });
        scope.await;
        let query = diesel::dsl::sql::<Text>("SELECT 1");
        let query = diesel::debug_query::<Sqlite, _>(&query);
        for milliseconds in [9, 40, 11] {
            let duration = Duration::from_millis(milliseconds);
            statements.finished(Instant::now(), duration, &query);
        }
        assert_eq!(statements.rows(), 3);
        assert_eq!(statements.waited(), Duration::from_millis(3));
        assert_eq!(statements.taken(), Duration::from_mins(1) / 1_000);
        let slowest = statements.slowest().unwrap();
        assert_eq!(slowest.duration, Duration::from_millis(40));
        assert_eq!(slowest.sql, "SELECT 1");
        assert_eq!(statements.each(), []);
    }

    #[test]
    fn statements_are_recorded_individually_up_to_a_limit_if_requested() {
        let statements = Statements::keeping_each();
        let query = diesel::dsl::sql::<Text>("SELECT 1");
        let query = diesel::debug_query::<Sqlite, _>(&query);
        for _ in 0..=MAX_RECORDED {
            statements.finished(Instant::now(), Duration::ZERO, &query);
        }
        assert_eq!(statements.each().len(), MAX_RECORDED);
        let other = Statements::keeping_each();
        other.add(&statements);
        assert_eq!(other.each(), statements.each());
    }
}
