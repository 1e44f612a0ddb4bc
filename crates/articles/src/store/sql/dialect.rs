//! What the two databases spell differently in an otherwise shared statement.
//!
//! Each database implements the trait in its own file: `postgres/dialect.rs` and `sqlite/dialect.rs`.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::AstPass;

use crate::article::ArticleId;
use crate::article::filter::Affix;
use crate::article::search::Search;
use crate::clock::Timestamp;
use crate::store::postgres::vector::Words;

use super::select::Plan;

/// The writer of a statement.
pub(in crate::store) type Pass<'a, 'b, DB> = AstPass<'a, 'b, DB>;

/// The differences of a database for statements written by hand: how it binds values, and its spelling.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "a statement borrows what it binds"
)]
pub(in crate::store) trait Dialect: Backend {
    /// Any timestamp, for a column that is not selected.
    const SOME_INSTANT: &'static str;
    /// The length in bytes of an article's text as JSON, without the quotes.
    const TEXT_BYTES_AS_JSON: &'static str;

    /// A condition, evaluated for each article, that ends a statement after its time limit where the database itself
    /// does not.
    const TIME_LIMIT: Option<&'static str>;
    /// The columns `title` and `slug`, and `text`, in the form that [`StoredText`](super::stored::StoredText) reads
    /// best.
    const TITLE_AND_SLUG: &'static str;
    const TEXT: &'static str;
    /// The version that the API shows for a value that another program stored.
    const VERSION: &'static str;
    /// Further assignments of an update, for values stored by another program that violate the table's constraints by
    /// now: they become what the API shows.
    const AS_SHOWN: &'static str;
    /// Whether the planner chooses [`Plan::Matches`] only if the statement selects in a subquery and sorts outside it.
    const SORTS_OUTSIDE_SUBQUERY: bool;

    fn bind_id<'b>(pass: &mut Pass<'_, 'b, Self>, id: &'b ArticleId) -> QueryResult<()>;
    fn bind_instant<'b>(pass: &mut Pass<'_, 'b, Self>, instant: &'b Timestamp) -> QueryResult<()>;
    fn bind_text<'b>(pass: &mut Pass<'_, 'b, Self>, text: &'b str) -> QueryResult<()>;
    fn bind_integer<'b>(pass: &mut Pass<'_, 'b, Self>, integer: &'b i64) -> QueryResult<()>;
    fn bind_version<'b>(pass: &mut Pass<'_, 'b, Self>, version: &'b i32) -> QueryResult<()>;
    fn bind_bytes<'b>(pass: &mut Pass<'_, 'b, Self>, bytes: &'b [u8]) -> QueryResult<()>;

    /// Binds a text as it is stored, which need not be UTF-8.
    fn bind_stored<'b>(pass: &mut Pass<'_, 'b, Self>, text: &'b [u8]) -> QueryResult<()>;

    /// Binds a value by `bind` in a way that the planner cannot see, so that PostgreSQL keeps one generic plan. `ty` is
    /// the name of its type in PostgreSQL.
    fn bind_hidden_from_planner<'b>(
        pass: &mut Pass<'_, 'b, Self>,
        ty: &str,
        bind: impl FnOnce(&mut Pass<'_, 'b, Self>) -> QueryResult<()>,
    ) -> QueryResult<()>;

    /// ` = ANY (…)`, or its equivalent: one bound value for any number of ids.
    fn any_id<'b>(pass: &mut Pass<'_, 'b, Self>, ids: &'b [ArticleId]) -> QueryResult<()>;
    fn any_text<'b>(pass: &mut Pass<'_, 'b, Self>, texts: &'b [String]) -> QueryResult<()>;

    /// The condition that `column` contains a text, ignoring case.
    fn has_part<'b>(
        pass: &mut Pass<'_, 'b, Self>,
        column: &str,
        affix: &'b Affix,
    ) -> QueryResult<()>;

    /// The condition that an article matches a search.
    fn matches<'b>(
        pass: &mut Pass<'_, 'b, Self>,
        search: &'b Search,
        plan: Plan,
    ) -> QueryResult<()>;

    /// Binds the words of an article, and the parts of its text as an array; on PostgreSQL only.
    fn bind_words<'b>(pass: &mut Pass<'_, 'b, Self>, words: &'b Words) -> QueryResult<()>;
    fn bind_parts<'b>(pass: &mut Pass<'_, 'b, Self>, words: &'b Words) -> QueryResult<()>;

    /// The join after `FROM article` that [`best_match_first`](Self::best_match_first) needs.
    fn join_relevance<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()>;

    /// How well an article matches, for `ORDER BY`.
    fn best_match_first<'b>(pass: &mut Pass<'_, 'b, Self>, search: &'b Search) -> QueryResult<()>;
}

/// The values that both databases bind in the same way.
macro_rules! binds {
    () => {
        fn bind_id<'b>(pass: &mut Pass<'_, 'b, Self>, id: &'b ArticleId) -> QueryResult<()> {
            pass.push_bind_param::<$crate::store::sql::types::Id, _>(id)
        }

        fn bind_instant<'b>(
            pass: &mut Pass<'_, 'b, Self>,
            instant: &'b Timestamp,
        ) -> QueryResult<()> {
            pass.push_bind_param::<$crate::store::sql::types::Instant, _>(instant)
        }

        fn bind_text<'b>(pass: &mut Pass<'_, 'b, Self>, text: &'b str) -> QueryResult<()> {
            pass.push_bind_param::<diesel::sql_types::Text, _>(text)
        }

        fn bind_integer<'b>(pass: &mut Pass<'_, 'b, Self>, integer: &'b i64) -> QueryResult<()> {
            pass.push_bind_param::<diesel::sql_types::BigInt, _>(integer)
        }

        fn bind_version<'b>(pass: &mut Pass<'_, 'b, Self>, version: &'b i32) -> QueryResult<()> {
            pass.push_bind_param::<diesel::sql_types::Integer, _>(version)
        }

        fn bind_bytes<'b>(pass: &mut Pass<'_, 'b, Self>, bytes: &'b [u8]) -> QueryResult<()> {
            pass.push_bind_param::<diesel::sql_types::Binary, _>(bytes)
        }
    };
}
pub(in crate::store) use binds;
