//! The statements that store the results of writes by their idempotency keys.

use diesel::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Binary;

use super::dialect::Dialect;
use super::select::query;
use crate::clock::Timestamp;

/// Takes a key for a request, if it is free or has expired. On PostgreSQL this waits for a transaction that has taken
/// the key and not ended.
#[derive(Debug)]
pub(in crate::store) struct Claim {
    pub(in crate::store) key: [u8; 32],
    pub(in crate::store) request: [u8; 32],
    pub(in crate::store) now: Timestamp,
    /// Keys from this time or earlier have expired.
    pub(in crate::store) expired: Timestamp,
}

/// Stores the result, in the transaction that took the key.
#[derive(Debug)]
pub(in crate::store) struct StoreResult<'a> {
    pub(in crate::store) key: [u8; 32],
    pub(in crate::store) result: &'a [u8],
}

/// Reads the request and the result for a key.
#[derive(Debug)]
pub(in crate::store) struct ReadResult {
    pub(in crate::store) key: [u8; 32],
}

/// Removes keys that have expired, the oldest first.
#[derive(Debug)]
pub(in crate::store) struct RemoveExpired {
    pub(in crate::store) expired: Timestamp,
    pub(in crate::store) limit: i64,
}

impl<DB: Dialect> QueryFragment<DB> for Claim {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("INSERT INTO idempotency_key (key, request, created_at) VALUES (");
        DB::bind_bytes(&mut pass, &self.key)?;
        pass.push_sql(", ");
        DB::bind_bytes(&mut pass, &self.request)?;
        pass.push_sql(", ");
        DB::bind_instant(&mut pass, &self.now)?;
        pass.push_sql(
            ") ON CONFLICT (key) DO UPDATE SET request = excluded.request, created_at = excluded.created_at \
             WHERE idempotency_key.created_at <= ",
        );
        DB::bind_instant(&mut pass, &self.expired)
    }
}

impl<DB: Dialect> QueryFragment<DB> for StoreResult<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("UPDATE idempotency_key SET answer = ");
        DB::bind_bytes(&mut pass, self.result)?;
        pass.push_sql(" WHERE key = ");
        DB::bind_bytes(&mut pass, &self.key)
    }
}

impl<DB: Dialect> QueryFragment<DB> for ReadResult {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT request, answer FROM idempotency_key WHERE key = ");
        DB::bind_bytes(&mut pass, &self.key)
    }
}

impl<DB: Dialect> QueryFragment<DB> for RemoveExpired {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql(
            "DELETE FROM idempotency_key WHERE key IN (SELECT key FROM idempotency_key WHERE created_at <= ",
        );
        DB::bind_instant(&mut pass, &self.expired)?;
        pass.push_sql(" ORDER BY created_at LIMIT ");
        DB::bind_integer(&mut pass, &self.limit)?;
        pass.push_sql(")");
        Ok(())
    }
}

/// A statement that returns no rows.
macro_rules! command {
    ($statement:ty) => {
        impl QueryId for $statement {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }

        impl<C: diesel::Connection> diesel::RunQueryDsl<C> for $statement {}
    };
}

command!(Claim);
command!(StoreResult<'_>);
command!(RemoveExpired);
query!(ReadResult, (Binary, Binary));
