//! Pages of a Relay connection.

use std::sync::Arc;

use super::articles::load;
use super::connection::{Connection, run};
use super::sql::filter::Side;
use super::sql::select::{Count, Select, Selection};
use super::sql::stored::Row;
use super::{Access, Store};
use crate::article::page::{Cursor, End, Page, PageRequest, Place, Placed};
use crate::article::{Article, ArticleOrder, Columns, Filter};
use crate::budget::ResponseBudget;
use crate::error::Result;

impl Store {
    /// A page, and what was wanted beside it, all of one state of the articles.
    ///
    /// # Errors
    /// [`crate::error::Error::TooLarge`] where the texts of its articles go over the budget.
    pub async fn page(&self, request: PageRequest, budget: &ResponseBudget) -> Result<Page> {
        let budget = budget.clone();
        let access = match takes_one_statement(&request) {
            true if request.filter == Filter::ALL => Access::Read,
            true => Access::Scan,
            false => Access::Snapshot,
        };
        self.run(access, move |connection| {
            Box::pin(async move {
                match request.order {
                    ArticleOrder::Relevance => by_position(connection, request, &budget).await,
                    _ => by_key(connection, request, &budget).await,
                }
            })
        })
        .await
    }
}

/// Whether the page itself tells all that is wanted: one article more than asked for shows whether there is a next.
fn takes_one_statement(request: &PageRequest) -> bool {
    let wanted = request.wanted;
    let next = wanted.next && (request.size == 0 || request.before.is_some());
    let previous = wanted.previous && (request.size == 0 || request.after.is_some());
    !(wanted.total || next || previous || request.order == ArticleOrder::Relevance)
}

/// A page of a list whose places are values, which an index finds at any depth.
async fn by_key(
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
        let columns = with_key(wanted.columns, order);
        let select = list(between, columns, reversed, request.size + 1);
        // The one more is not shown.
        articles = load(connection, select, budget, request.size).await?;
        more = articles.len() > request.size;
        articles.truncate(request.size);
        if reversed {
            articles.reverse();
        }
    }
    let place =
        |article: Option<&Article>| article.map(|article| Cursor::of(article, order, 0).place);
    let first = place(articles.first());
    let last = place(articles.last());
    // An empty page lies just after `after`, or just before `before` where it was taken from the back.
    let (before_page, after_page) = match (end, first, last) {
        (_, Some(first), Some(last)) => (Some((Side::Before, first)), Some((Side::After, last))),
        (End::Front, ..) => match &request.after {
            Some(Cursor { place, .. }) => (
                Some((Side::AtOrBefore, place.clone())),
                Some((Side::After, place.clone())),
            ),
            None => (None, Some((Side::After, Place::Position(0)))),
        },
        (End::Back, ..) => match &request.before {
            Some(Cursor { place, .. }) => (
                Some((Side::Before, place.clone())),
                Some((Side::AtOrAfter, place.clone())),
            ),
            None => (Some((Side::Before, Place::Position(0))), None),
        },
    };
    let mut exists = async |beside: Option<(Side, Place)>| match beside {
        None => Ok(false),
        // The whole list lies on that side.
        Some((_, Place::Position(_))) => any(connection, all.clone()).await,
        Some((side, place)) => any(connection, all.with(side, place)).await,
    };
    // Where no cursor bounds the list on a side, the page shows by itself whether it reaches that end.
    let reaches = |cursor: &Option<Cursor>| request.size > 0 && cursor.is_none();
    let ends = reaches(&request.before);
    let begins = reaches(&request.after);
    let has_next = match end {
        End::Front if more => true,
        _ => wanted.next && !ends && exists(after_page).await?,
    };
    let has_previous = match end {
        End::Back if more => true,
        _ => wanted.previous && !begins && exists(before_page).await?,
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

/// A page of a list whose places are counted from its front.
async fn by_position(
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
        _ => load(connection, select, budget, usize::MAX).await?,
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

async fn any(connection: &mut Connection<'_>, selection: Selection) -> Result<bool> {
    let select = list(selection, Columns::ID, false, 1);
    let rows: Vec<Row> = run!(connection, |c| select.load(c))?;
    Ok(!rows.is_empty())
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

/// The columns that are wanted, and the one that the cursors are made of.
fn with_key(mut columns: Columns, order: ArticleOrder) -> Columns {
    use ArticleOrder as Order;
    match order {
        Order::CreatedAtAsc | Order::CreatedAtDesc => columns.created_at = true,
        Order::UpdatedAtAsc | Order::UpdatedAtDesc => columns.updated_at = true,
        Order::TitleAsc | Order::TitleDesc => columns.title = true,
        Order::SlugAsc | Order::SlugDesc => columns.slug = true,
        Order::Relevance => {}
    }
    columns
}
