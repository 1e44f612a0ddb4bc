//! Translates a filter to SQL.

use diesel::QueryResult;

use super::dialect::{Dialect, Pass};
use super::select::Plan;
use crate::article::filter::{
    ArticleOrder, Comparison, Filter, InstantColumn, TextColumn, TextTest,
};
use crate::article::page::Place;

/// Writes the condition of `filter`, in which searches are executed by `plan`.
pub(in crate::store) fn filter<'b, DB: Dialect>(
    pass: &mut Pass<'_, 'b, DB>,
    filter: &'b Filter,
    plan: Plan,
) -> QueryResult<()> {
    match filter {
        Filter::And(parts) => join(pass, parts, plan, " AND ", "(1 = 1)"),
        Filter::Or(parts) => join(pass, parts, plan, " OR ", "(1 = 0)"),
        Filter::Not(part) => {
            pass.push_sql("NOT ");
            join(pass, std::slice::from_ref(&**part), plan, "", "")
        }
        Filter::Id(ids) => {
            pass.push_sql("id");
            DB::any_id(pass, ids)
        }
        Filter::Text(column, test) => text(pass, column.name(), test),
        Filter::Instant(column, comparison, instant) => {
            pass.push_sql(column.name());
            pass.push_sql(comparison.operator());
            DB::bind_instant(pass, instant)
        }
        Filter::Search(search) => DB::matches(pass, search, plan),
    }
}

fn join<'b, DB: Dialect>(
    pass: &mut Pass<'_, 'b, DB>,
    parts: &'b [Filter],
    plan: Plan,
    operator: &str,
    none: &str,
) -> QueryResult<()> {
    if parts.is_empty() {
        pass.push_sql(none);
        return Ok(());
    }
    pass.push_sql("(");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            pass.push_sql(operator);
        }
        filter(pass, part, plan)?;
    }
    pass.push_sql(")");
    Ok(())
}

fn text<'b, DB: Dialect>(
    pass: &mut Pass<'_, 'b, DB>,
    column: &str,
    test: &'b TextTest,
) -> QueryResult<()> {
    match test {
        TextTest::Equal(value) => {
            pass.push_sql(column);
            pass.push_sql(" = ");
            DB::bind_text(pass, value)
        }
        TextTest::NotEqual(value) => {
            pass.push_sql(column);
            pass.push_sql(" <> ");
            DB::bind_text(pass, value)
        }
        TextTest::In(values) => {
            pass.push_sql(column);
            DB::any_text(pass, values)
        }
        TextTest::NotIn(values) => {
            pass.push_sql("NOT (");
            pass.push_sql(column);
            DB::any_text(pass, values)?;
            pass.push_sql(")");
            Ok(())
        }
        TextTest::Affix(affix) => DB::has_part(pass, column, affix),
    }
}

/// Whether a position is before or after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Side {
    Before,
    After,
    AtOrBefore,
    AtOrAfter,
}

/// Writes the condition that an article is on one side of a position in `order`. Relevance has no such condition.
pub(in crate::store) fn compare_position<'b, DB: Dialect>(
    pass: &mut Pass<'_, 'b, DB>,
    order: ArticleOrder,
    side: Side,
    place: &'b Place,
) -> QueryResult<()> {
    let Some(Key { column, descending }) = Key::of(order) else {
        return Ok(());
    };
    let operator = match (side, descending) {
        (Side::Before, false) | (Side::After, true) => "<",
        (Side::After, false) | (Side::Before, true) => ">",
        (Side::AtOrBefore, false) | (Side::AtOrAfter, true) => "<=",
        (Side::AtOrAfter, false) | (Side::AtOrBefore, true) => ">=",
    };
    pass.push_sql("(");
    pass.push_sql(column);
    pass.push_sql(", id) ");
    pass.push_sql(operator);
    pass.push_sql(" (");
    let id = match place {
        Place::Instant(instant, id) => {
            DB::bind_hidden_from_planner(pass, "timestamptz", |pass| {
                DB::bind_instant(pass, instant)
            })?;
            id
        }
        Place::Text(text, id) => {
            DB::bind_hidden_from_planner(pass, "text", |pass| DB::bind_stored(pass, text))?;
            id
        }
        Place::Position(_) => return Ok(()),
    };
    pass.push_sql(", ");
    DB::bind_hidden_from_planner(pass, "uuid", |pass| DB::bind_id(pass, id))?;
    pass.push_sql(")");
    Ok(())
}

/// The column that a list is sorted by, besides the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Key {
    pub(in crate::store) column: &'static str,
    pub(in crate::store) descending: bool,
}

impl Key {
    /// `None` for relevance, which is not a column.
    pub(in crate::store) fn of(order: ArticleOrder) -> Option<Self> {
        use ArticleOrder as Order;
        let (column, descending) = match order {
            Order::CreatedAtAsc => ("created_at", false),
            Order::CreatedAtDesc => ("created_at", true),
            Order::UpdatedAtAsc => ("updated_at", false),
            Order::UpdatedAtDesc => ("updated_at", true),
            Order::TitleAsc => ("title", false),
            Order::TitleDesc => ("title", true),
            Order::SlugAsc => ("slug", false),
            Order::SlugDesc => ("slug", true),
            Order::Relevance => return None,
        };
        Some(Self { column, descending })
    }
}

impl TextColumn {
    fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Slug => "slug",
            Self::Text => "text",
        }
    }
}

impl InstantColumn {
    fn name(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
        }
    }
}

impl Comparison {
    fn operator(self) -> &'static str {
        match self {
            Self::Equal => " = ",
            Self::Less => " < ",
            Self::LessOrEqual => " <= ",
            Self::Greater => " > ",
            Self::GreaterOrEqual => " >= ",
        }
    }
}
