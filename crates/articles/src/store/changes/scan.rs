//! The SELECT over the change log: the changes between two positions that match a filter, and their sizes.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};
use diesel::{QueryResult, Queryable};

use super::super::sql::dialect::Dialect;
use super::super::sql::stored::{self, StoredText, StoredVersion};
use super::super::sql::types::{Id, Instant};
use crate::article::change::{ArticleChange, ChangeFilter, ChangeKind, FeedCursor};
use crate::article::{Article, ArticleId};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The positions after `after`, up to and including `upto`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) after: i64,
    pub(super) upto: i64,
}

/// `SELECT … FROM numbered_change WHERE … ORDER BY position`
#[derive(Debug)]
pub(super) struct Changes<'f> {
    pub(super) range: Range,
    pub(super) filter: &'f ChangeFilter,
    /// Whether the texts are selected, which may be large.
    pub(super) text: bool,
}

/// `SELECT position, octet_length(text) FROM numbered_change WHERE … ORDER BY position LIMIT …`, which does not read
/// the texts.
#[derive(Debug)]
pub(super) struct Sizes<'f> {
    pub(super) range: Range,
    pub(super) filter: &'f ChangeFilter,
    pub(super) limit: i64,
}

fn conditions<'b, DB: Dialect>(
    range: &'b Range,
    filter: &'b ChangeFilter,
    pass: &mut AstPass<'_, 'b, DB>,
) -> QueryResult<()> {
    pass.push_sql(" FROM numbered_change WHERE position > ");
    DB::bind_integer(pass, &range.after)?;
    pass.push_sql(" AND position <= ");
    DB::bind_integer(pass, &range.upto)?;
    if let Some(kinds) = filter.kinds() {
        // NULL equals nothing; it keeps the list from being empty, which PostgreSQL does not allow.
        pass.push_sql(" AND kind IN (NULL");
        for kind in kinds {
            pass.push_sql(match kind {
                ChangeKind::Created => ", 1",
                ChangeKind::Updated => ", 2",
                ChangeKind::Deleted => ", 3",
            });
        }
        pass.push_sql(")");
    }
    if let Some(ids) = filter.article_ids() {
        // Each number of ids makes a different statement.
        pass.unsafe_to_cache_prepared();
        pass.push_sql(" AND article_id IN (NULL");
        for id in ids {
            pass.push_sql(", ");
            DB::bind_id(pass, id)?;
        }
        pass.push_sql(")");
    }
    pass.push_sql(" ORDER BY position");
    Ok(())
}

impl<DB: Dialect> QueryFragment<DB> for Changes<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT position, kind, article_id, ");
        pass.push_sql(DB::TITLE_AND_SLUG);
        pass.push_sql(", ");
        pass.push_sql(if self.text { DB::TEXT } else { "''" });
        pass.push_sql(", created_at, updated_at, version");
        conditions(&self.range, self.filter, &mut pass)
    }
}

impl<DB: Dialect> QueryFragment<DB> for Sizes<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT position, coalesce(octet_length(text), 0)");
        conditions(&self.range, self.filter, &mut pass)?;
        pass.push_sql(" LIMIT ");
        DB::bind_integer(&mut pass, &self.limit)
    }
}

impl Query for Changes<'_> {
    type SqlType = (
        BigInt,
        SmallInt,
        Id,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Instant>,
        Nullable<Instant>,
        Nullable<Integer>,
    );
}

impl Query for Sizes<'_> {
    type SqlType = (BigInt, Integer);
}

/// The SQL depends on the filter, so Diesel caches these statements by their SQL.
impl QueryId for Changes<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryId for Sizes<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: diesel::Connection> diesel::RunQueryDsl<C> for Changes<'_> {}
impl<C: diesel::Connection> diesel::RunQueryDsl<C> for Sizes<'_> {}

/// A row of [`Changes`].
#[derive(Queryable)]
pub(super) struct Row {
    position: i64,
    kind: i16,
    article_id: ArticleId,
    title: Option<StoredText>,
    slug: Option<StoredText>,
    text: Option<StoredText>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    version: Option<StoredVersion>,
}

impl Row {
    /// The change in this row, in the epoch of `cursor`.
    pub(super) fn into_change(self, cursor: FeedCursor) -> Result<ArticleChange> {
        let kind = match self.kind {
            1 => ChangeKind::Created,
            2 => ChangeKind::Updated,
            3 => ChangeKind::Deleted,
            kind => return Err(Error::internal(format!("{kind} is not a kind of change"))),
        };
        let (cursor, article_id) = (cursor.at(self.position), self.article_id);
        let article = match kind {
            ChangeKind::Deleted => None,
            ChangeKind::Created | ChangeKind::Updated => self.into_article(),
        };
        Ok(ArticleChange {
            cursor,
            kind,
            article_id,
            article,
        })
    }

    /// `None` where another program wrote to the log and left columns empty.
    fn into_article(self) -> Option<Article> {
        let row = stored::Row {
            id: self.article_id,
            title: self.title?,
            slug: self.slug?,
            text: self.text?,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        };
        Some(row.into())
    }
}
