//! The rows of a result, one after another, as PostgreSQL sends them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use diesel::QueryResult;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_postgres::RowStream;

use crate::connection::PgConnection;
use crate::row::{Oid, PgRow};

/// Rows that have not arrived yet. If this is dropped, they are discarded as they arrive.
pub struct Rows<'c> {
    connection: &'c mut PgConnection,
    /// `None` after the last.
    stream: Option<Pin<Box<RowStream>>>,
    types: Option<Arc<[Oid]>>,
    sent_at: Instant,
    /// Completes when the response has taken too long. Most responses are available immediately, and need no timer.
    timeout: Option<Pin<Box<Sleep>>>,
}

impl<'c> Rows<'c> {
    /// The rows of a statement that was sent at `sent_at`.
    pub(crate) fn new(
        connection: &'c mut PgConnection,
        stream: Pin<Box<RowStream>>,
        sent_at: Instant,
    ) -> Self {
        Self {
            connection,
            stream: Some(stream),
            types: None,
            sent_at,
            timeout: None,
        }
    }

    fn is_out_of_time(&mut self, context: &mut Context<'_>) -> bool {
        let Some(limit) = self.connection.limit_of_answers() else {
            return false;
        };
        let ends_at = self.sent_at + limit;
        let timeout = self
            .timeout
            .get_or_insert_with(|| Box::pin(sleep_until(ends_at)));
        timeout.poll_unpin(context).is_ready()
    }
}

impl Stream for Rows<'_> {
    type Item = QueryResult<PgRow>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else {
            return Poll::Ready(None);
        };
        let answer = match stream.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(row))) => {
                return Poll::Ready(Some(Ok(PgRow::new(row, &mut this.types))));
            }
            Poll::Ready(None) => Some(Ok(())),
            Poll::Ready(Some(Err(error))) => Some(Err(error)),
            Poll::Pending if this.is_out_of_time(context) => None,
            Poll::Pending => return Poll::Pending,
        };
        this.stream = None;
        let settled = this.connection.settle(this.sent_at, answer);
        this.connection.finish_statement(settled.as_ref().err());
        Poll::Ready(settled.err().map(Err))
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        self.connection.finish_statement(None);
    }
}
