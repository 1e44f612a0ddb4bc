//! The SELECTs over articles: some columns of a page, and the number of articles.

use diesel::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Integer, Text};

use super::dialect::{Dialect, Pass};
use super::filter::{self, Key, Side};
use super::types::{Id, Instant};
use crate::article::filter::Filter;
use crate::article::page::Place;
use crate::article::search::Search;
use crate::article::{ArticleId, ArticleKey, ArticleOrder, Columns};

/// How the articles that a search finds are read. All plans find the same articles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Plan {
    /// As the planner of the database decides; on SQLite this is [`Matches`](Self::Matches).
    Usual,
    /// All matches are read from the search index and then sorted.
    Matches,
    /// The list is read in its order, and each article is tested.
    List,
    /// The list is read in its order, and compared with all matches, which are read before it. On SQLite only.
    ListAmongMatches,
}

/// A list of articles, or a part of it.
#[derive(Debug, Clone)]
pub(in crate::store) struct Selection {
    pub(in crate::store) filter: Filter,
    pub(in crate::store) order: ArticleOrder,
    pub(in crate::store) plan: Plan,
    /// The positions that bound the list, on either side.
    pub(in crate::store) bounds: Vec<(Side, Place)>,
    /// Only these articles are tested.
    pub(in crate::store) window: Option<Box<Window>>,
}

/// The beginning of a list.
#[derive(Debug, Clone)]
pub(in crate::store) struct Window {
    pub(in crate::store) list: Selection,
    /// Whether it is the end of the list instead.
    pub(in crate::store) reversed: bool,
    pub(in crate::store) articles: i64,
}

impl Selection {
    pub(in crate::store) fn new(filter: Filter, order: ArticleOrder) -> Self {
        Self {
            filter,
            order,
            plan: Plan::Usual,
            bounds: Vec::new(),
            window: None,
        }
    }

    pub(in crate::store) fn with(&self, side: Side, place: Place) -> Self {
        let mut bounded = self.clone();
        bounded.bounds.push((side, place));
        bounded
    }

    pub(in crate::store) fn has_filter(&self) -> bool {
        self.filter != Filter::ALL
    }

    /// A search that every article of the list matches.
    pub(in crate::store) fn search(&self) -> Option<&Search> {
        fn of(filter: &Filter) -> Option<&Search> {
            match filter {
                Filter::Search(search) => Some(search),
                Filter::And(parts) => parts.iter().find_map(of),
                _ => None,
            }
        }
        of(&self.filter)
    }

    /// The search that relevance refers to.
    fn ranking(&self) -> Option<&Search> {
        (self.order == ArticleOrder::Relevance)
            .then(|| self.search())
            .flatten()
    }

    /// `FROM article WHERE …`. `reads_many`: whether it may read many articles even without a filter.
    fn source<'b, DB: Dialect>(
        &'b self,
        pass: &mut Pass<'_, 'b, DB>,
        ranked: bool,
        reads_many: bool,
    ) -> QueryResult<()> {
        pass.push_sql(" FROM ");
        if let Some(window) = &self.window {
            window.walk_ast(pass)?;
            pass.push_sql(" AS ");
        }
        pass.push_sql("article");
        if let Some(search) = self.ranking().filter(|_| ranked) {
            DB::join_relevance(pass, search)?;
        }
        let mut conjunction = " WHERE ";
        if self.has_filter() {
            // Filters have an unbounded number of forms, and a cached statement takes memory in the client and the
            // server.
            pass.unsafe_to_cache_prepared();
            pass.push_sql(conjunction);
            filter::filter(pass, &self.filter, self.plan)?;
            conjunction = " AND ";
        }
        for (side, place) in &self.bounds {
            pass.push_sql(conjunction);
            filter::compare_position(pass, self.order, *side, place)?;
            conjunction = " AND ";
        }
        if let Some(limit) = DB::TIME_LIMIT
            && (reads_many || self.has_filter())
        {
            pass.push_sql(conjunction);
            pass.push_sql(limit);
        }
        Ok(())
    }

    fn order_by<'b, DB: Dialect>(
        &'b self,
        pass: &mut Pass<'_, 'b, DB>,
        reversed: bool,
    ) -> QueryResult<()> {
        pass.push_sql(" ORDER BY ");
        let mut descending = false;
        if let Some(key) = Key::of(self.order) {
            descending = key.descending != reversed;
            pass.push_sql(key.column);
            pass.push_sql(if descending { " DESC, " } else { ", " });
        } else if let Some(search) = self.ranking() {
            DB::best_match_first(pass, search)?;
            pass.push_sql(", ");
        }
        pass.push_sql(if descending { "id DESC" } else { "id" });
        Ok(())
    }
}

impl Window {
    /// `(SELECT * FROM article WHERE … ORDER BY … LIMIT …)`
    fn walk_ast<'b, DB: Dialect>(&'b self, pass: &mut Pass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("(SELECT *");
        self.list.source(pass, false, false)?;
        self.list.order_by(pass, self.reversed)?;
        pass.push_sql(" LIMIT ");
        DB::bind_integer(pass, &self.articles)?;
        pass.push_sql(")");
        Ok(())
    }
}

/// `SELECT … FROM article WHERE … ORDER BY … LIMIT … OFFSET …`
#[derive(Debug, Clone)]
pub(in crate::store) struct Select {
    pub(in crate::store) columns: Columns,
    pub(in crate::store) selection: Selection,
    /// Reads the list from its end.
    pub(in crate::store) reversed: bool,
    pub(in crate::store) limit: i64,
    pub(in crate::store) offset: i64,
}

/// `SELECT … FROM article WHERE id = …`, or by slug.
#[derive(Debug, Clone)]
pub(in crate::store) struct SelectOne {
    pub(in crate::store) columns: Columns,
    pub(in crate::store) key: ArticleKey,
}

/// `SELECT … FROM article WHERE id = ANY (…)`, or by slugs, in no particular order.
#[derive(Debug, Clone)]
pub(in crate::store) struct SelectMany {
    pub(in crate::store) columns: Columns,
    pub(in crate::store) keys: Keys,
}

/// The keys of several articles.
#[derive(Debug, Clone)]
pub(in crate::store) enum Keys {
    Ids(Vec<ArticleId>),
    Slugs(Vec<String>),
}

/// `SELECT count(*) FROM article WHERE …`
#[derive(Debug, Clone)]
pub(in crate::store) struct Count(pub(in crate::store) Selection);

/// The columns, in the order of a [`Row`](super::stored::Row), with constants for the text and the columns after it
/// where these are not selected: SQLite reads a row from the front, so it would have to skip a long text.
///
/// The short columns before the text are always read. A statement for each selection of columns would be prepared on
/// each connection, and there are sixty-four of them.
pub(in crate::store) fn push_columns<DB: Dialect>(pass: &mut Pass<'_, '_, DB>, columns: Columns) {
    let some_behind_text = columns.created_at || columns.updated_at || columns.version;
    pass.push_sql("id, ");
    pass.push_sql(DB::TITLE_AND_SLUG);
    pass.push_sql(", ");
    pass.push_sql(if columns.text { DB::TEXT } else { "''" });
    if columns.text || some_behind_text {
        pass.push_sql(", created_at, updated_at, version");
    } else {
        pass.push_sql(", ");
        pass.push_sql(DB::SOME_INSTANT);
        pass.push_sql(", ");
        pass.push_sql(DB::SOME_INSTANT);
        pass.push_sql(", 1");
    }
}

/// Common page sizes, and each plus the one more article that shows whether there is a next page. They are literals,
/// because PostgreSQL plans a statement again each time if its limit is a parameter.
const USUAL_LIMITS: [i64; 8] = [10, 11, 20, 21, 50, 51, 100, 101];

/// The number of articles that are skipped in a negligible time. A time-limit condition on each would cost more than
/// skipping it.
const FAST_OFFSET: i64 = 10_000;

impl<DB: Dialect> QueryFragment<DB> for Select {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT ");
        push_columns(&mut pass, self.columns);
        let reads_many = self.offset > FAST_OFFSET;
        if DB::SORTS_OUTSIDE_SUBQUERY && self.selection.plan == Plan::Matches {
            // The planner does not look for an order in a subquery with an offset.
            pass.push_sql(" FROM (SELECT *");
            self.selection.source(&mut pass, true, reads_many)?;
            pass.push_sql(" OFFSET 0) AS article");
        } else {
            self.selection.source(&mut pass, true, reads_many)?;
        }
        self.selection.order_by(&mut pass, self.reversed)?;
        pass.push_sql(" LIMIT ");
        if USUAL_LIMITS.contains(&self.limit) {
            pass.push_sql(&self.limit.to_string());
        } else {
            DB::bind_integer(&mut pass, &self.limit)?;
        }
        if self.offset > 0 {
            pass.push_sql(" OFFSET ");
            DB::bind_integer(&mut pass, &self.offset)?;
        }
        Ok(())
    }
}

impl<DB: Dialect> QueryFragment<DB> for SelectOne {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT ");
        push_columns(&mut pass, self.columns);
        pass.push_sql(" FROM article WHERE ");
        match &self.key {
            ArticleKey::Id(id) => {
                pass.push_sql("id = ");
                DB::bind_id(&mut pass, id)
            }
            ArticleKey::Slug(slug) => {
                pass.push_sql("slug = ");
                DB::bind_text(&mut pass, slug)
            }
        }
    }
}

impl<DB: Dialect> QueryFragment<DB> for SelectMany {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT ");
        push_columns(&mut pass, self.columns);
        match &self.keys {
            Keys::Ids(ids) => {
                pass.push_sql(" FROM article WHERE id");
                DB::any_id(&mut pass, ids)
            }
            Keys::Slugs(slugs) => {
                pass.push_sql(" FROM article WHERE slug");
                DB::any_text(&mut pass, slugs)
            }
        }
    }
}

impl<DB: Dialect> QueryFragment<DB> for Count {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT count(*)");
        // Without a condition SQLite counts whole pages.
        self.0.source(&mut pass, false, false)
    }
}

/// The types of the columns of a [`Row`](super::stored::Row).
pub(in crate::store) type RowType = (Id, Text, Text, Text, Instant, Instant, Integer);

/// Implements Diesel's traits for a statement. Its SQL depends on its fields, so Diesel caches it by its SQL.
macro_rules! query {
    ($statement:ty, $row:ty) => {
        impl Query for $statement {
            type SqlType = $row;
        }

        impl QueryId for $statement {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }

        impl<C: diesel::Connection> diesel::RunQueryDsl<C> for $statement {}
    };
}
pub(in crate::store) use query;

query!(Select, RowType);
query!(SelectOne, RowType);
query!(SelectMany, RowType);
query!(Count, BigInt);
