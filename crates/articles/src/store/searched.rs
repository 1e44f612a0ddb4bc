//! Lists that are filtered by a search, in the order of a column.
//!
//! If few articles match, the search index returns all of them, and they are sorted. If many match, that takes
//! hundreds of milliseconds, and it is faster to read the list in its order until enough articles have matched. The
//! number of matches is estimated to choose between the two. An estimate may be wrong by any factor, so only the
//! beginning of the list is read, and if it has too few matches, the list is read by a second statement, whose time is
//! predictable.
//!
//! A page is the result of a single statement, so all of its rows come from one snapshot.
//!
//! Decision: `docs/decisions/0017-frequent-words.md`.

use super::articles::read;
use super::connection::{Connection, run};
use super::estimates::{Costs, Estimate, Estimates};
use super::sql::filter::{Key, Side};
use super::sql::select::{Plan, Select, Selection, Window};
use super::sql::stored::Row;
use super::{postgres, sqlite};
use crate::article::filter::InstantColumn;
use crate::article::page::{Cursor, Place};
use crate::article::{Article, ArticleOrder, Columns, Filter};
use crate::budget::ResponseBudget;
use crate::error::{Error, Result};

/// The articles of a SELECT. The texts of the first `counted` count towards the budget.
pub(super) async fn load(
    estimates: &Estimates,
    connection: &mut Connection<'_>,
    select: Select,
    budget: &ResponseBudget,
    counted: usize,
) -> Result<Vec<Article>> {
    budget.check()?;
    let Some(Plans { window, otherwise }) = plans(estimates, connection, &select).await? else {
        return read(connection, select, budget, counted).await;
    };
    if let Some(window) = window {
        let within = within(connection, &select, window).await?;
        // The rows of the failed attempt are not part of the response.
        let left = ResponseBudget::new(budget.left_to_read());
        match read(connection, within, &left, counted).await {
            Ok(articles) if i64::try_from(articles.len()).is_ok_and(|n| n == select.limit) => {
                budget.read(left.max() - left.left_to_read())?;
                return Ok(articles);
            }
            Ok(_) | Err(Error::TooLarge { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let select = planned(select, otherwise);
    read(connection, select, budget, counted).await
}

/// How a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plans {
    /// The number of articles at the beginning of the list among which enough matches are expected.
    window: Option<i64>,
    /// The plan where there is no window, or there are fewer matches in it.
    otherwise: Plan,
}

/// `None` where there is only the usual plan.
async fn plans(
    estimates: &Estimates,
    connection: &mut Connection<'_>,
    select: &Select,
) -> Result<Option<Plans>> {
    let Selection { filter, order, .. } = &select.selection;
    let (Some(search), Some(_)) = (select.selection.search(), Key::of(*order)) else {
        return Ok(None);
    };
    let mut estimate = estimates.get(search);
    if estimate.is_none() {
        estimate = match connection {
            Connection::Postgres(connection) => postgres::estimate::of(connection, search).await?,
            Connection::Sqlite(connection) => {
                let descends = Key::of(*order).is_some_and(|key| key.descending) != select.reversed;
                sqlite::estimate::of(connection, search, descends)?
            }
        };
        if let Some(estimate) = estimate {
            estimates.insert(search, estimate);
        }
    }
    let rows = select.limit.saturating_add(select.offset);
    let has_others = without_search(filter, *order).is_none();
    Ok(estimate.map(|estimate| estimate.plans(rows, has_others)))
}

fn planned(mut select: Select, plan: Plan) -> Select {
    select.selection.plan = plan;
    select
}

/// The same within the first articles of the list.
async fn within(connection: &mut Connection<'_>, select: &Select, articles: i64) -> Result<Select> {
    let mut within = planned(select.clone(), Plan::List);
    let Selection {
        filter,
        order,
        bounds,
        ..
    } = &select.selection;
    let all = without_search(filter, *order).unwrap_or(Filter::ALL);
    let mut list = Selection::new(all, *order);
    list.bounds.clone_from(bounds);
    match connection {
        Connection::Postgres(_) => {
            within.selection.bounds.clear();
            within.selection.window = Some(Box::new(Window {
                list,
                reversed: select.reversed,
                articles,
            }));
        }
        // It would sort the articles of a subquery, and therefore test all of them.
        Connection::Sqlite(_) => {
            let side = match select.reversed {
                false => Side::AtOrBefore,
                true => Side::AtOrAfter,
            };
            if let Some(place) = place(connection, list, select.reversed, articles).await? {
                within.selection.bounds.push((side, place));
            }
        }
    }
    Ok(within)
}

/// The position in the list of the article with this number; `None` if the list is shorter.
async fn place(
    connection: &mut Connection<'_>,
    list: Selection,
    reversed: bool,
    number: i64,
) -> Result<Option<Place>> {
    let order = list.order;
    let nth = Select {
        columns: Columns::ID.with_key(order),
        selection: list,
        reversed,
        limit: 1,
        offset: number,
    };
    let rows: Vec<Row> = run!(connection, |c| nth.load(c))?;
    let row = rows.into_iter().next();
    Ok(row.map(|row| Cursor::of(&row.into(), order, 0).place))
}

/// The conditions besides the search, if the index that gives the list in its order serves them all.
fn without_search(filter: &Filter, order: ArticleOrder) -> Option<Filter> {
    let parts = match filter {
        Filter::And(parts) => parts.as_slice(),
        filter => std::slice::from_ref(filter),
    };
    let others: Vec<Filter> = parts
        .iter()
        .filter(|part| !matches!(part, Filter::Search(_)))
        .cloned()
        .collect();
    let is_served = |filter: &Filter| {
        matches!(
            (filter, order),
            (
                Filter::Instant(InstantColumn::CreatedAt, ..),
                ArticleOrder::CreatedAtAsc | ArticleOrder::CreatedAtDesc,
            ) | (
                Filter::Instant(InstantColumn::UpdatedAt, ..),
                ArticleOrder::UpdatedAtAsc | ArticleOrder::UpdatedAtDesc,
            )
        )
    };
    others.iter().all(is_served).then_some(Filter::And(others))
}

/// The window is larger by this factor than is expected to be necessary.
const RESERVE: i64 = 4;

impl Estimate {
    /// The plans for the first `rows` matches. `has_others`: there are further conditions, and it is unknown how many
    /// articles satisfy them.
    fn plans(self, rows: i64, has_others: bool) -> Plans {
        let Costs {
            find,
            sort,
            test,
            compare,
        } = self.costs;
        let matches = self.matches.max(1);
        let candidates = rows.saturating_mul(self.articles.max(matches)) / matches;
        let found = matches.saturating_mul(find);
        let sorted = found.saturating_add(matches.saturating_mul(sort));
        let compared = compare
            .filter(|_| !has_others)
            .map(|compare| found.saturating_add(candidates.saturating_mul(compare)));
        let (cost, otherwise) = match compared {
            Some(compared) if compared < sorted => (compared, Plan::ListAmongMatches),
            _ => (sorted, Plan::Matches),
        };
        // So even if the tests find too few matches, they have taken no longer than the other plan takes.
        let affordable = cost / test;
        Plans {
            window: (candidates < affordable)
                .then(|| affordable.min(candidates.saturating_mul(RESERVE))),
            otherwise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs {
        find: 100,
        sort: 1_500,
        test: 60_000,
        compare: Some(300),
    };

    fn plans(matches: i64, rows: i64, has_others: bool) -> (Option<i64>, Plan) {
        let estimate = Estimate {
            articles: 1_000_000,
            matches,
            costs: COSTS,
        };
        let Plans { window, otherwise } = estimate.plans(rows, has_others);
        (window, otherwise)
    }

    #[test]
    fn the_more_articles_match_the_sooner_the_list_is_read_in_its_order() {
        assert_eq!(plans(0, 20, false), (None, Plan::Matches));
        assert_eq!(plans(1_000, 20, false), (None, Plan::Matches));
        assert_eq!(plans(10_000, 20, false), (None, Plan::ListAmongMatches));
        assert_eq!(
            plans(300_000, 20, false),
            (Some(264), Plan::ListAmongMatches)
        );
        assert_eq!(
            plans(1_000_000, 20, false),
            (Some(80), Plan::ListAmongMatches)
        );
        // Deep in the list, testing each article costs too much.
        assert_eq!(
            plans(300_000, 10_000, false),
            (None, Plan::ListAmongMatches)
        );
    }

    #[test]
    fn further_conditions_may_leave_so_few_articles_that_a_list_would_be_read_to_its_end() {
        assert_eq!(plans(10_000, 20, true), (None, Plan::Matches));
        assert_eq!(plans(300_000, 20, true), (Some(264), Plan::Matches));
    }

    #[test]
    fn a_window_costs_no_more_than_the_plan_that_may_follow_it() {
        for matches in (1..1_000_000).step_by(7_919) {
            let (window, _) = plans(matches, 20, true);
            let sorted = matches * (COSTS.find + COSTS.sort);
            assert!(window.unwrap_or(0) * COSTS.test <= sorted, "{matches}");
        }
    }
}
