//! The pending lists of the GIN indexes on articles.
//!
//! PostgreSQL appends the entries of new rows to a list, and moves them into the index once that list is longer than
//! `gin_pending_list_limit`: the statement that makes it longer does so before it ends, and every search reads the list
//! until then. A statement that inserts a thousand articles nearly always makes it longer. It raises the limit instead,
//! and another connection moves the entries after the commit, whatever their number.
//!
//! Only the owner of an index may move them, so for other roles nothing changes.
//!
//! Decision: `docs/decisions/0018-bulk-creates.md`.

use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::QueryResult;
use diesel::sql_types::{BigInt, Nullable};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;

use crate::store::bulk_creates::MANY;
use crate::store::connection::Connection;
use crate::store::{Access, Database, Store};
use postgres_connect::PgConnection;

/// The emptying of the pending lists by this server.
#[derive(Default)]
pub(in crate::store) struct PendingLists {
    /// How often it was asked for since a task began to do it; zero while there is no task.
    requests: AtomicUsize,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Nullable<BigInt>)]
    count: Option<i64>,
}

/// Raises the limit of the lists for this transaction.
pub(in crate::store) async fn defer(connection: &mut PgConnection) -> QueryResult<()> {
    // About four times what a thousand articles of 1 kB add.
    sql_query(
        "SELECT count(set_config('gin_pending_list_limit', '16MB', true)) FROM pg_class
        WHERE oid = to_regclass('article_search') AND pg_has_role(relowner, 'USAGE')",
    )
    .get_result::<Counted>(connection)
    .await?;
    Ok(())
}

/// Moves the entries of the lists into the indexes. Returns the number of pages that this has freed.
async fn empty(connection: &mut PgConnection) -> QueryResult<i64> {
    let freed: Counted = sql_query(
        "SELECT sum(gin_clean_pending_list(pg_class.oid))::bigint AS count
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
        WHERE indrelid = to_regclass('article') AND amname = 'gin' AND pg_has_role(relowner, 'USAGE')",
    )
    .get_result(connection)
    .await?;
    Ok(freed.count.unwrap_or_default())
}

impl Store {
    /// Empties the lists in the background, after a commit that may have made them longer. Requests that arrive
    /// meanwhile share the next time.
    pub(in crate::store) fn empty_pending_lists(&self, articles: usize) {
        if articles < MANY || !matches!(self.0.database, Database::Postgres(_)) {
            return;
        }
        if self.0.pending_lists.requests.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let store = self.clone();
        self.0.tasks.spawn(async move {
            let requests = &store.0.pending_lists.requests;
            loop {
                let seen = requests.load(Ordering::Acquire);
                store.empty_pending_lists_now().await;
                let no_more =
                    requests.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire);
                if no_more.is_ok() {
                    break;
                }
            }
        });
    }

    async fn empty_pending_lists_now(&self) {
        let emptied = self.run_in_task(Access::Write, |connection| {
            Box::pin(async move {
                match connection {
                    Connection::Postgres(connection) => Ok(empty(connection).await?),
                    Connection::Sqlite(_) => Ok(0),
                }
            })
        });
        match emptied.await {
            Ok(pages) => tracing::debug!(pages, "the pending lists of the indexes are empty"),
            // Searches read them, and PostgreSQL empties them later.
            Err(error) => {
                tracing::debug!(%error, "the pending lists of the indexes were not emptied");
            }
        }
    }
}
