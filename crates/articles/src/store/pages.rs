//! Pages of a Relay connection.

use std::sync::Arc;

use super::connection::{Connection, run};
use super::estimates::Estimates;
use super::searched::load;
use super::sql::filter::Side;
use super::sql::select::{Count, Select, Selection};
use super::{Access, Store};
use crate::article::page::{Cursor, End, Page, PageRequest, Place, Placed};
use crate::article::{Article, ArticleOrder, Columns, Filter};
use crate::budget::ResponseBudget;
use crate::error::Result;

impl Store {
    /// A page and the other requested fields of the connection, all from one snapshot of the articles.
    ///
    /// # Errors
    /// [`crate::error::Error::TooLarge`] where the texts of its articles exceed the budget.
    pub async fn page(&self, request: PageRequest, budget: &ResponseBudget) -> Result<Page> {
        let (estimates, budget) = (Arc::clone(&self.0.estimates), budget.clone());
        let access = match takes_one_statement(&request) {
            true if request.filter == Filter::ALL => Access::Read,
            true => Access::Scan,
            false => Access::Snapshot,
        };
        self.run(access, move |connection| {
            Box::pin(async move {
                match request.order {
                    ArticleOrder::Relevance => {
                        by_position(&estimates, connection, request, &budget).await
                    }
                    _ => by_key(&estimates, connection, request, &budget).await,
                }
            })
        })
        .await
    }
}

/// Whether the page alone answers the request: selecting one article more shows whether there is a next page.
fn takes_one_statement(request: &PageRequest) -> bool {
    let wanted = request.wanted;
    let next = wanted.next && (request.size == 0 || request.before.is_some());
    let previous = wanted.previous && (request.size == 0 || request.after.is_some());
    !(wanted.total || next || previous || request.order == ArticleOrder::Relevance)
}

/// A page of a list whose positions are column values, which an index finds at any depth.
async fn by_key(
    estimates: &Estimates,
    connection: &mut Connection<'_>,
    request: PageRequest,
    budget: &ResponseBudget,
) -> Result<Page> {
    let PageRequest {
        order, end, wanted, ..
    } = request;
    let all = Selection::new(request.filter, order);
    let mut between = all.clone();
    if let Some(after) = &request.after {
        between = between.with(Side::After, after.place.clone());
    }
    if let Some(before) = &request.before {
        between = between.with(Side::Before, before.place.clone());
    }
    let mut articles = Vec::new();
    let mut more = false;
    if request.size > 0 {
        let reversed = end == End::Back;
        let columns = wanted.columns.with_key(order);
        let select = list(between, columns, reversed, request.size + 1);
        // The additional article is not part of the page.
        articles = load(estimates, connection, select, budget, request.size).await?;
        more = articles.len() > request.size;
        articles.truncate(request.size);
        if reversed {
            articles.reverse();
        }
    }
    let (before_page, after_page) = around(
        order,
        end,
        request.after.as_ref(),
        request.before.as_ref(),
        &articles,
    );
    // Where no cursor bounds the list on a side, the page itself shows whether it reaches that end.
    let reaches = |cursor: &Option<Cursor>| request.size > 0 && cursor.is_none();
    let has_next = match end {
        End::Front if more => true,
        _ => {
            wanted.next
                && !reaches(&request.before)
                && after_page
                    .exists(estimates, connection, &all, budget)
                    .await?
        }
    };
    let has_previous = match end {
        End::Back if more => true,
        _ => {
            wanted.previous
                && !reaches(&request.after)
                && before_page
                    .exists(estimates, connection, &all, budget)
                    .await?
        }
    };
    Ok(Page {
        articles: articles
            .into_iter()
            .map(|article| Placed {
                cursor: Cursor::of(&article, order, 0),
                article: Arc::new(article),
            })
            .collect(),
        has_next,
        has_previous,
        total: total(connection, wanted.total, all).await?,
    })
}

/// The part of the list on one side of a page.
enum Part {
    Empty,
    Beside(Side, Place),
    Whole,
}

impl Part {
    /// Whether it contains an article. `all` is the whole list.
    async fn exists(
        self,
        estimates: &Estimates,
        connection: &mut Connection<'_>,
        all: &Selection,
        budget: &ResponseBudget,
    ) -> Result<bool> {
        let selection = match self {
            Self::Empty => return Ok(false),
            Self::Beside(side, place) => all.with(side, place),
            Self::Whole => all.clone(),
        };
        let select = list(selection, Columns::ID, false, 1);
        let articles = load(estimates, connection, select, budget, 0).await?;
        Ok(!articles.is_empty())
    }
}

/// The parts of the list before and after a page. An empty page lies just after `after`, or just before `before` in
/// backward pagination.
fn around(
    order: ArticleOrder,
    end: End,
    after: Option<&Cursor>,
    before: Option<&Cursor>,
    page: &[Article],
) -> (Part, Part) {
    let place = |article| Cursor::of(article, order, 0).place;
    if let [first, ..] = page
        && let [.., last] = page
    {
        return (
            Part::Beside(Side::Before, place(first)),
            Part::Beside(Side::After, place(last)),
        );
    }
    match (end, after, before) {
        (End::Front, Some(Cursor { place, .. }), _) => (
            Part::Beside(Side::AtOrBefore, place.clone()),
            Part::Beside(Side::After, place.clone()),
        ),
        (End::Front, None, _) => (Part::Empty, Part::Whole),
        (End::Back, _, Some(Cursor { place, .. })) => (
            Part::Beside(Side::Before, place.clone()),
            Part::Beside(Side::AtOrAfter, place.clone()),
        ),
        (End::Back, _, None) => (Part::Whole, Part::Empty),
    }
}

/// A page of a list whose positions are counted from the front.
async fn by_position(
    estimates: &Estimates,
    connection: &mut Connection<'_>,
    request: PageRequest,
    budget: &ResponseBudget,
) -> Result<Page> {
    let PageRequest {
        order, end, wanted, ..
    } = request;
    let position = |cursor: &Option<Cursor>| match cursor {
        Some(Cursor {
            place: Place::Position(position),
            ..
        }) => Some(*position),
        _ => None,
    };
    let selection = Selection::new(request.filter, order);
    let count = count(connection, selection.clone()).await?;
    let size = i64::try_from(request.size).unwrap_or(i64::MAX);
    let low = position(&request.after).map_or(0, |after| after + 1);
    let high = position(&request.before).unwrap_or(count).min(count);
    let (start, stop) = match end {
        End::Front => (low, high.min(low.saturating_add(size)).max(low)),
        End::Back => (low.max(high - size).min(high), high),
    };
    let select = Select {
        columns: wanted.columns,
        selection,
        reversed: false,
        limit: (stop - start).max(0),
        offset: start,
    };
    let articles = match select.limit {
        0 => Vec::new(),
        _ => load(estimates, connection, select, budget, usize::MAX).await?,
    };
    Ok(Page {
        articles: articles
            .into_iter()
            .zip(start..)
            .map(|(article, position)| Placed {
                cursor: Cursor::of(&article, order, position),
                article: Arc::new(article),
            })
            .collect(),
        has_next: stop < count,
        has_previous: start > 0 && count > 0,
        total: if wanted.total { count } else { 0 },
    })
}

fn list(selection: Selection, columns: Columns, reversed: bool, limit: usize) -> Select {
    Select {
        columns,
        selection,
        reversed,
        limit: i64::try_from(limit).unwrap_or(i64::MAX),
        offset: 0,
    }
}

async fn total(connection: &mut Connection<'_>, wanted: bool, selection: Selection) -> Result<i64> {
    match wanted {
        true => count(connection, selection).await,
        false => Ok(0),
    }
}

async fn count(connection: &mut Connection<'_>, selection: Selection) -> Result<i64> {
    let count = Count(selection);
    Ok(run!(connection, |c| count.get_result(c))?)
}
