//! The statements on the search index, and on the articles that are due to be indexed.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, Queryable};

use super::{Entry, Words};
use crate::store::sql::select::query;
use crate::store::sql::stored::StoredText;
use crate::store::sql::types::Id;

#[derive(Queryable)]
pub(super) struct TextsRow {
    pub(super) title: StoredText,
    pub(super) text: StoredText,
}

#[derive(Queryable)]
pub(super) struct NumberedRow {
    pub(super) number: i64,
    pub(super) title: StoredText,
    pub(super) text: StoredText,
}

#[derive(Queryable)]
pub(super) struct State {
    pub(super) rules: i32,
    pub(super) is_complete: bool,
    pub(super) number: Option<i64>,
}

/// The due articles, newest first.
pub(super) struct DueRows {
    pub(super) after: i64,
    pub(super) limit: i64,
}

/// The articles that have become due after a position.
pub(super) struct DueArticles(pub(super) i64);

pub(super) struct LoadState;
pub(super) struct Numbered(pub(super) i64);
pub(super) struct Before(pub(super) i64);
pub(super) struct Remove(pub(super) i64);

pub(super) struct DeleteDue {
    pub(super) from: i64,
    pub(super) upto: i64,
}

pub(super) struct InsertEntries(pub(super) Vec<Entry>);

impl QueryFragment<Sqlite> for DueRows {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("SELECT position, number FROM search_due WHERE position > ");
        pass.push_bind_param::<BigInt, _>(&self.after)?;
        pass.push_sql(" ORDER BY position DESC LIMIT ");
        pass.push_bind_param::<BigInt, _>(&self.limit)
    }
}

impl QueryFragment<Sqlite> for DueArticles {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql(
            "SELECT due.number, article.id FROM search_due AS due \
             JOIN article ON article.number = due.number WHERE due.position > ",
        );
        pass.push_bind_param::<BigInt, _>(&self.0)
    }
}

impl QueryFragment<Sqlite> for LoadState {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("SELECT rules, is_complete, number FROM search_index");
        Ok(())
    }
}

impl QueryFragment<Sqlite> for Numbered {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql(
            "SELECT CAST(title AS BLOB), CAST(text AS BLOB) FROM article WHERE number = ",
        );
        pass.push_bind_param::<BigInt, _>(&self.0)
    }
}

impl QueryFragment<Sqlite> for Before {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql(
            "SELECT number, CAST(title AS BLOB), CAST(text AS BLOB) FROM article WHERE number < ",
        );
        pass.push_bind_param::<BigInt, _>(&self.0)?;
        pass.push_sql(" ORDER BY number DESC LIMIT 1");
        Ok(())
    }
}

impl QueryFragment<Sqlite> for Remove {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("DELETE FROM article_search WHERE rowid = ");
        pass.push_bind_param::<BigInt, _>(&self.0)
    }
}

impl QueryFragment<Sqlite> for DeleteDue {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("DELETE FROM search_due WHERE position >= ");
        pass.push_bind_param::<BigInt, _>(&self.from)?;
        pass.push_sql(" AND position <= ");
        pass.push_bind_param::<BigInt, _>(&self.upto)
    }
}

impl QueryFragment<Sqlite> for InsertEntries {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        if self.0.len() != 1 {
            // There would be one statement for each number of rows.
            pass.unsafe_to_cache_prepared();
        }
        pass.push_sql(
            "INSERT OR REPLACE INTO article_search (rowid, title, text, accents) VALUES ",
        );
        for (index, entry) in self.0.iter().enumerate() {
            pass.push_sql(if index == 0 { "(" } else { ", (" });
            pass.push_bind_param::<BigInt, _>(&entry.number)?;
            let Words {
                title,
                text,
                accents,
            } = &entry.words;
            for text in [title, text, accents] {
                pass.push_sql(", ");
                pass.push_bind_param::<Text, _>(text)?;
            }
            pass.push_sql(")");
        }
        Ok(())
    }
}

query!(DueRows, (BigInt, BigInt));
query!(DueArticles, (BigInt, Id));
query!(LoadState, (Integer, Bool, Nullable<BigInt>));
query!(Numbered, (Text, Text));
query!(Before, (BigInt, Text, Text));
query!(Remove, Integer);
query!(DeleteDue, Integer);
query!(InsertEntries, Integer);
