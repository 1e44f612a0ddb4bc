//! What the two databases spell differently in a statement that is otherwise the same.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;

use super::types::{Id, Instant};
use crate::article::ArticleId;
use crate::clock::Timestamp;

/// A database, seen from a statement that is written by hand: how it takes values, and the words that differ.
pub(super) trait Dialect: Backend {
    /// Any instant, for a column that nobody asked for.
    const SOME_INSTANT: &'static str;

    fn bind_id<'b>(pass: &mut AstPass<'_, 'b, Self>, id: &'b ArticleId) -> QueryResult<()>;
    fn bind_instant<'b>(
        pass: &mut AstPass<'_, 'b, Self>,
        instant: &'b Timestamp,
    ) -> QueryResult<()>;
    fn bind_text<'b>(pass: &mut AstPass<'_, 'b, Self>, text: &'b str) -> QueryResult<()>;
    fn bind_integer<'b>(pass: &mut AstPass<'_, 'b, Self>, integer: &'b i64) -> QueryResult<()>;
}

macro_rules! binds {
    () => {
        fn bind_id<'b>(pass: &mut AstPass<'_, 'b, Self>, id: &'b ArticleId) -> QueryResult<()> {
            pass.push_bind_param::<Id, _>(id)
        }

        fn bind_instant<'b>(
            pass: &mut AstPass<'_, 'b, Self>,
            instant: &'b Timestamp,
        ) -> QueryResult<()> {
            pass.push_bind_param::<Instant, _>(instant)
        }

        fn bind_text<'b>(pass: &mut AstPass<'_, 'b, Self>, text: &'b str) -> QueryResult<()> {
            pass.push_bind_param::<Text, _>(text)
        }

        fn bind_integer<'b>(pass: &mut AstPass<'_, 'b, Self>, integer: &'b i64) -> QueryResult<()> {
            pass.push_bind_param::<BigInt, _>(integer)
        }
    };
}

impl Dialect for Pg {
    const SOME_INSTANT: &'static str = "to_timestamp(0)";
    binds!();
}

impl Dialect for Sqlite {
    const SOME_INSTANT: &'static str = "0";
    binds!();
}
