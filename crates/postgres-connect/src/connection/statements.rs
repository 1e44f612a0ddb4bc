//! Implements diesel-async's traits for the connection.

use diesel::connection::{CacheSize, Instrumentation, InstrumentationEvent, StrQueryHelper};
use diesel::pg::Pg;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_postgres::{Client, RowStream, Statement};

use super::{PgConnection, within};
use crate::row::PgRow;
use crate::rows::Rows;
use crate::statement::{Prepared, Query};

/// The prepared statement, from the cache if it is one that is cached.
async fn prepare(
    client: &Client,
    prepared: &mut Prepared,
    query: &Query,
) -> Result<Option<Statement>, tokio_postgres::Error> {
    if !query.keep {
        return Ok(None);
    }
    if let Some(statement) = prepared.get(query) {
        return Ok(Some(statement));
    }
    let statement = client.prepare_typed(&query.sql, &query.types).await?;
    prepared.insert(query, statement.clone());
    Ok(Some(statement))
}

/// Takes the values out of the query.
async fn load(
    client: &Client,
    prepared: &mut Prepared,
    query: &mut Query,
) -> Result<RowStream, tokio_postgres::Error> {
    Ok(
        if let Some(statement) = prepare(client, prepared, query).await? {
            let binds = std::mem::take(&mut query.binds);
            client.query_raw(&statement, binds).await?
        } else {
            // One round trip instead of three.
            let binds = std::mem::take(&mut query.binds);
            let types = std::mem::take(&mut query.types);
            let parameters = binds.into_iter().zip(types);
            client.query_typed_raw(&query.sql, parameters).await?
        },
    )
}

/// Takes the values out of the query.
async fn execute(
    client: &Client,
    prepared: &mut Prepared,
    query: &mut Query,
) -> Result<usize, tokio_postgres::Error> {
    let rows = if let Some(statement) = prepare(client, prepared, query).await? {
        let binds = std::mem::take(&mut query.binds);
        client.execute_raw(&statement, binds).await?
    } else {
        let parameters: Vec<_> = query.parameters().collect();
        client.execute_typed(&query.sql, &parameters).await?
    };
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

impl SimpleAsyncConnection for PgConnection {
    async fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        let query = StrQueryHelper::new(sql);
        self.instrument(InstrumentationEvent::start_query(&query));
        let sent_at = Instant::now();
        let answer = within(self.limit, self.client.batch_execute(sql)).await;
        let done = self.settle(sent_at, answer);
        self.instrument_finish(sql, done.as_ref().err());
        done
    }
}

impl AsyncConnectionCore for PgConnection {
    type LoadFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<Rows<'conn>>>;
    type ExecuteFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<usize>>;
    type Stream<'conn, 'query> = Rows<'conn>;
    type Row<'conn, 'query> = PgRow;
    type Backend = Pg;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Pg> + QueryId + 'query,
    {
        let query = source.as_query();
        self.instrument(InstrumentationEvent::start_query(&diesel::debug_query(
            &query,
        )));
        let query = Query::new(&query);
        async move {
            let mut query = query?;
            let sent_at = Instant::now();
            let answer = within(
                self.limit,
                load(&self.client, &mut self.prepared, &mut query),
            );
            let answer = answer.await;
            self.statement = Some(query.sql);
            match self.settle(sent_at, answer) {
                Ok(rows) => Ok(Rows::new(self, Box::pin(rows), sent_at)),
                Err(error) => {
                    self.finish_statement(Some(&error));
                    Err(error)
                }
            }
        }
        .boxed()
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Pg> + QueryId + 'query,
    {
        self.instrument(InstrumentationEvent::start_query(&diesel::debug_query(
            &source,
        )));
        let query = Query::new(&source);
        async move {
            let mut query = query?;
            let sent_at = Instant::now();
            let answer = within(
                self.limit,
                execute(&self.client, &mut self.prepared, &mut query),
            );
            let answer = answer.await;
            let done = self.settle(sent_at, answer);
            self.instrument_finish(&query.sql, done.as_ref().err());
            done
        }
        .boxed()
    }
}

impl AsyncConnection for PgConnection {
    type TransactionManager = AnsiTransactionManager;

    async fn establish(_: &str) -> ConnectionResult<Self> {
        let how = "a connection to PostgreSQL is opened by ConnectOptions";
        Err(ConnectionError::BadConnection(how.to_owned()))
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        &mut self.transactions
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        &mut *self.instrumentation
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.instrumentation = instrumentation.into();
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.prepared.keep(!matches!(size, CacheSize::Disabled));
    }
}
