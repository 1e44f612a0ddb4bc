//! A connection to PostgreSQL: executes Diesel's statements with tokio-postgres.
//!
//! diesel-async's own connection hides the SQLSTATE of an error, which leaves only a sentence in the server's language,
//! and waits for a response without a limit. This one keeps the SQLSTATE (`error.rs`), and has a time limit: a
//! connection that exceeds it is closed.

mod statements;

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use diesel::QueryResult;
use diesel::connection::{DynInstrumentation, InstrumentationEvent, StrQueryHelper};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::{AnsiTransactionManager, TransactionManager as _};
use futures_util::future::Either;
use futures_util::{FutureExt as _, SinkExt as _, Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Client, Connection, Notification, SimpleQueryMessage, Socket};

use crate::error;
use crate::statement::Prepared;

/// The maximum number of notifications that wait to be read. Further ones are dropped.
const NOTIFICATIONS: usize = 64;

/// A connection to PostgreSQL.
pub struct PgConnection {
    client: Client,
    prepared: Prepared,
    transactions: AnsiTransactionManager,
    instrumentation: DynInstrumentation,
    /// The SQL of the statement whose response is awaited.
    statement: Option<String>,
    /// The time limit for a response.
    limit: Option<Duration>,
    /// When PostgreSQL last responded.
    answered_at: Instant,
    /// When the statement was sent that had no response within the limit.
    silent_since: Option<Instant>,
    notifications: mpsc::Receiver<Notification>,
    /// Reads and writes the socket, and ends with it.
    driver: JoinHandle<()>,
}

impl PgConnection {
    /// Takes over a connection that tokio-postgres has opened.
    pub(crate) fn new<S>(
        client: Client,
        connection: Connection<Socket, S>,
        limit: Option<Duration>,
    ) -> Self
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        let (sender, notifications) = mpsc::channel(NOTIFICATIONS);
        Self {
            client,
            prepared: Prepared::default(),
            transactions: AnsiTransactionManager::default(),
            instrumentation: DynInstrumentation::default_instrumentation(),
            statement: None,
            limit,
            answered_at: Instant::now(),
            silent_since: None,
            notifications,
            driver: tokio::spawn(drive(connection, sender)),
        }
    }

    /// Sets the time limit for responses from now on.
    pub fn limit(&mut self, limit: Option<Duration>) {
        self.limit = limit;
    }

    pub fn answered_at(&self) -> Instant {
        self.answered_at
    }

    /// When the statement was sent that had no response within the limit, if there was one.
    pub fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    /// Whether nothing more can be sent on it.
    pub fn is_closed(&self) -> bool {
        self.silent_since.is_some() || self.client.is_closed()
    }

    /// Whether it cannot be reused: it is closed, inside a transaction, or in an unknown state.
    pub fn is_broken(&mut self) -> bool {
        self.is_closed() || AnsiTransactionManager::is_broken_transaction_manager(self)
    }

    /// Checks that the server responds, within `limit`.
    ///
    /// # Errors
    /// It does not, or the connection is closed.
    pub async fn check(&mut self, limit: Duration) -> QueryResult<()> {
        let limit = Some(self.limit.map_or(limit, |usual| usual.min(limit)));
        let sent_at = Instant::now();
        let answer = within(limit, self.client.check_connection()).await;
        self.settle_within(limit, sent_at, answer)
    }

    /// The columns of a query's only row, as text. The query has no parameters.
    ///
    /// Prepares no statement, so that it works through a pooler too.
    ///
    /// # Errors
    /// The query fails.
    pub async fn first_row(&mut self, sql: &str) -> QueryResult<Vec<Option<String>>> {
        let sent_at = Instant::now();
        let answer = within(self.limit, self.client.simple_query(sql)).await;
        let messages = self.settle(sent_at, answer)?;
        let row = messages.into_iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or(DieselError::NotFound)?;
        Ok((0..row.len())
            .map(|column| row.get(column).map(str::to_owned))
            .collect())
    }

    /// Executes `COPY … FROM STDIN` with these chunks of bytes, which are sent as they come; returns the number of rows.
    ///
    /// An error of PostgreSQL is noticed after the last chunk. The time limit includes the time that the chunks take.
    ///
    /// # Errors
    /// PostgreSQL rejects them, or a chunk is an error. PostgreSQL has inserted none then.
    pub async fn copy_in(
        &mut self,
        sql: &str,
        chunks: impl Stream<Item = QueryResult<Bytes>> + Send,
    ) -> QueryResult<u64> {
        self.instrument(InstrumentationEvent::start_query(&StrQueryHelper::new(sql)));
        let sent_at = Instant::now();
        let copied = within(self.limit, async {
            let mut sink = pin!(self.client.copy_in(sql).await?);
            let mut chunks = pin!(chunks);
            while let Some(chunk) = chunks.next().await {
                match chunk {
                    Ok(bytes) => sink.send(bytes).await?,
                    // A sink that is dropped tells PostgreSQL that the copy has failed.
                    Err(error) => return Ok(Err(error)),
                }
            }
            sink.finish().await.map(Ok)
        });
        let copied = copied.await;
        let copied = self.settle(sent_at, copied).flatten();
        self.instrument_finish(sql, copied.as_ref().err());
        copied
    }

    /// The next notification, or `None` once the connection is closed.
    pub async fn notification(&mut self) -> Option<Notification> {
        self.notifications.recv().await
    }

    /// The time limit of a response, from the statement to its last row.
    pub(crate) fn limit_of_answers(&self) -> Option<Duration> {
        self.limit
    }

    /// Turns a response, or its absence within the limit, into the result of a statement.
    pub(crate) fn settle<T>(
        &mut self,
        sent_at: Instant,
        answer: Option<Result<T, tokio_postgres::Error>>,
    ) -> QueryResult<T> {
        self.settle_within(self.limit, sent_at, answer)
    }

    fn settle_within<T>(
        &mut self,
        limit: Option<Duration>,
        sent_at: Instant,
        answer: Option<Result<T, tokio_postgres::Error>>,
    ) -> QueryResult<T> {
        match answer {
            Some(Ok(answer)) => {
                self.answered_at = Instant::now();
                Ok(answer)
            }
            Some(Err(error)) => {
                if error.as_db_error().is_some() {
                    self.answered_at = Instant::now();
                }
                Err(error::of_diesel(&error))
            }
            None => {
                self.silent_since = Some(sent_at);
                // Whatever has not been sent by now need not be sent.
                self.driver.abort();
                let limit = limit.unwrap_or_default();
                Err(DieselError::DatabaseError(
                    DatabaseErrorKind::ClosedConnection,
                    Box::new(format!("PostgreSQL did not respond within {limit:?}")),
                ))
            }
        }
    }

    fn instrument(&mut self, event: InstrumentationEvent<'_>) {
        self.instrumentation.on_connection_event(event);
    }

    fn instrument_finish(&mut self, sql: &str, error: Option<&DieselError>) {
        let sql = StrQueryHelper::new(sql);
        self.instrument(InstrumentationEvent::finish_query(&sql, error));
    }

    /// Records that the statement has its response, or that the rest of it was dropped.
    pub(crate) fn finish_statement(&mut self, error: Option<&DieselError>) {
        if let Some(sql) = self.statement.take() {
            self.instrument_finish(&sql, error);
        }
    }
}

/// Reads and writes the socket until either side closes the connection.
async fn drive<S>(mut connection: Connection<Socket, S>, notifications: mpsc::Sender<Notification>)
where
    S: TlsStream + Unpin,
{
    let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
    while let Some(message) = messages.next().await {
        match message {
            Ok(AsyncMessage::Notification(notification)) => {
                // Unread notifications are not worth more memory.
                let _ = notifications.try_send(notification);
            }
            Ok(_) => {}
            // Whoever awaits a response gets the error that the connection is closed.
            Err(error) => {
                tracing::debug!(%error, "a connection to PostgreSQL has ended");
                return;
            }
        }
    }
}

/// The result of the future within the limit.
///
/// Not an async function: one would have room for the future three times.
fn within<T>(
    limit: Option<Duration>,
    answer: impl Future<Output = T>,
) -> impl Future<Output = Option<T>> {
    match limit {
        Some(limit) => Either::Left(timeout(limit, answer).map(Result::ok)),
        None => Either::Right(answer.map(Some)),
    }
}
