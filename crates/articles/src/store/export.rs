//! Exports all articles from one snapshot, ordered by id.

use diesel::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

use super::connection::read_rows;
use super::sql::dialect::Dialect;
use super::sql::select::{RowType, push_columns, query};
use super::sql::stored::Row;
use super::{Access, Store};
use crate::article::{Article, Columns};
use crate::error::{Error, Result};

impl Store {
    /// Passes every article to `take`, ordered by id. One statement reads them, so they are a consistent snapshot, and
    /// only a few are in memory. `take` may block: this is for a command-line program that does nothing else.
    ///
    /// # Errors
    /// The database does not answer, or `take` has failed, which stops the export.
    pub async fn export(
        &self,
        mut take: impl FnMut(&Article) -> std::io::Result<()> + Send + 'static,
    ) -> Result<u64> {
        self.run(Access::Scan, move |connection| {
            Box::pin(async move {
                let mut count = 0;
                read_rows!(connection, All, Row, |row| {
                    take(&Article::from(row)).map_err(Error::internal)?;
                    count += 1;
                });
                Ok(count)
            })
        })
        .await
    }
}

/// `SELECT … FROM article ORDER BY id`
#[derive(Debug, Clone)]
struct All;

impl<DB: Dialect> QueryFragment<DB> for All {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT ");
        push_columns(&mut pass, Columns::ALL);
        pass.push_sql(" FROM article ORDER BY id");
        Ok(())
    }
}

query!(All, RowType);
