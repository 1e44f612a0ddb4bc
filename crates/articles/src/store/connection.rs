//! A connection to either database, and how the same code runs on both.
//!
//! A Diesel statement is independent of the database until it is executed on a connection, so [`run!`] takes one
//! expression and executes it on whichever connection there is. On PostgreSQL that is a diesel-async connection and the
//! statement is awaited. On SQLite the whole piece of work runs on a blocking thread, where statements never wait: its
//! future is ready at the first poll, and a transaction of many statements costs one switch between threads.
//!
//! Decision: `docs/decisions/0005-one-code-for-two-databases.md`.

use std::any::Any;

use diesel::SqliteConnection;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};

use crate::error::{Error, Result};
use postgres_connect::PgConnection;

/// The connection that work on the database uses.
pub(crate) enum Connection<'c> {
    Postgres(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

/// The result of work, with its type erased: so the code that runs work is compiled once, and not for each type of
/// result.
pub(crate) type ErasedResult = Box<dyn Any + Send>;

/// A piece of work on one connection.
pub(crate) type Work = Box<
    dyn for<'a, 'c> FnOnce(&'a mut Connection<'c>) -> BoxFuture<'a, Result<ErasedResult>> + Send,
>;

/// Work with an erased result, which [`unboxed`] converts back.
pub(crate) fn boxed<T: Send + 'static>(
    work: impl for<'a, 'c> FnOnce(&'a mut Connection<'c>) -> BoxFuture<'a, Result<T>> + Send + 'static,
) -> Work {
    Box::new(move |connection| {
        let done = work(connection);
        done.map_ok(|result| Box::new(result) as ErasedResult)
            .boxed()
    })
}

/// The result of work that was boxed with this type.
///
/// # Errors
/// It has another type.
pub(crate) fn unboxed<T: 'static>(result: ErasedResult) -> Result<T> {
    match result.downcast() {
        Ok(result) => Ok(*result),
        Err(_) => Err(Error::internal("work returned another type")),
    }
}

/// Runs `work` to completion on this thread. It may await only statements on the connection.
pub(crate) fn run_on_sqlite(connection: &mut SqliteConnection, work: Work) -> Result<ErasedResult> {
    work(&mut Connection::Sqlite(connection))
        .now_or_never()
        .unwrap_or_else(|| Err(Error::internal("work on SQLite awaited something else")))
}

/// Executes a statement on either database: `run!(connection, |c| statement.load(c))`.
///
/// The expression is compiled once for each database. Statements that are the same on both need nothing else.
macro_rules! run {
    ($connection:expr, |$c:ident| $statement:expr) => {
        match $connection {
            $crate::store::connection::Connection::Postgres($c) => {
                use diesel_async::RunQueryDsl as _;
                let $c = &mut **$c;
                $statement.await
            }
            $crate::store::connection::Connection::Sqlite($c) => {
                use diesel::RunQueryDsl as _;
                let $c = &mut **$c;
                $statement
            }
        }
    };
}
pub(crate) use run;

/// Reads the rows of a statement one by one: `read_rows!(connection, statement, Row, |row| …)`. The expression is the
/// body of a loop, so it may `break` or return from the function; the remaining rows are then never loaded into memory.
macro_rules! read_rows {
    ($connection:expr, $statement:expr, $type:ty, |$row:ident| $take:expr) => {
        match $connection {
            $crate::store::connection::Connection::Postgres(c) => {
                use futures_util::TryStreamExt as _;
                let rows =
                    diesel_async::RunQueryDsl::load_stream::<$type>($statement, &mut **c).await?;
                let mut rows = std::pin::pin!(rows);
                while let Some($row) = rows.try_next().await? {
                    $take
                }
            }
            $crate::store::connection::Connection::Sqlite(c) => {
                use diesel::connection::DefaultLoadingMode;
                let rows = diesel::RunQueryDsl::load_iter::<$type, DefaultLoadingMode>(
                    $statement, &mut **c,
                )?;
                for row in rows {
                    let $row = row?;
                    $take
                }
            }
        }
    };
}
pub(crate) use read_rows;
