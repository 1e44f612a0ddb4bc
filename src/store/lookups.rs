//! Single articles, by id or slug: lookups from different requests gather into one statement.

use std::sync::{Arc, Weak};

use foldhash::{HashMap, HashMapExt as _};
use futures_util::FutureExt as _;

use super::connection::{Connection, run};
use super::select::{Keys, SelectMany, SelectOne};
use super::stored::Row;
use super::{Access, Inner, Store};
use crate::article::{Article, ArticleKey, Columns};
use crate::coalesce::{BatchFailure, BatchLimits, Batcher};
use crate::error::{Error, Result};

/// What gathers the lookups of a store.
pub(super) type Lookups = Batcher<Lookup, Arc<Article>, Error>;

/// A lookup, and what of the article somebody wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lookup {
    key: ArticleKey,
    columns: Columns,
}

impl Store {
    /// One article by its id or slug.
    pub async fn article(&self, key: ArticleKey, columns: Columns) -> Result<Option<Arc<Article>>> {
        self.0.lookups.get(Lookup { key, columns }).await
    }
}

/// The lookups of a store, which owns them.
pub(super) fn lookups(store: Weak<Inner>) -> Lookups {
    Batcher::new(BatchLimits::default(), move |lookups| {
        let store = store.upgrade().map(Store);
        async move {
            let store = store.ok_or_else(|| Error::unavailable("the store is closed"))?;
            store
                .run(Access::Read, |connection| {
                    Box::pin(load(connection, lookups))
                })
                .await
        }
        .boxed()
    })
}

async fn load(
    connection: &mut Connection<'_>,
    lookups: Vec<Lookup>,
) -> Result<HashMap<Lookup, Arc<Article>>> {
    // Where a statement costs no round trip, many small ones that are prepared beat a large one.
    if lookups.len() == 1 || matches!(connection, Connection::Sqlite(_)) {
        return one_by_one(connection, lookups).await;
    }
    let mut columns = Columns::ID;
    let (mut ids, mut slugs) = (Vec::new(), Vec::new());
    for lookup in &lookups {
        columns = columns.union(lookup.columns);
        match &lookup.key {
            ArticleKey::Id(id) => ids.push(*id),
            ArticleKey::Slug(slug) => slugs.push(slug.clone()),
        }
    }
    columns.slug |= !slugs.is_empty();
    let mut by_id = HashMap::with_capacity(ids.len());
    let mut by_slug = HashMap::with_capacity(slugs.len());
    if !ids.is_empty() {
        for article in many(connection, Keys::Ids(ids), columns).await? {
            by_id.insert(article.id, Arc::new(article));
        }
    }
    if !slugs.is_empty() {
        for article in many(connection, Keys::Slugs(slugs), columns).await? {
            by_slug.insert(article.slug.clone(), Arc::new(article));
        }
    }
    let mut found = HashMap::with_capacity(lookups.len());
    for lookup in lookups {
        let article = match &lookup.key {
            ArticleKey::Id(id) => by_id.get(id),
            ArticleKey::Slug(slug) => by_slug.get(slug),
        };
        if let Some(article) = article {
            found.insert(lookup, Arc::clone(article));
        }
    }
    Ok(found)
}

async fn one_by_one(
    connection: &mut Connection<'_>,
    lookups: Vec<Lookup>,
) -> Result<HashMap<Lookup, Arc<Article>>> {
    let mut found = HashMap::with_capacity(lookups.len());
    for lookup in lookups {
        let select = SelectOne {
            columns: lookup.columns,
            key: lookup.key.clone(),
        };
        let rows: Vec<Row> = run!(connection, |c| select.load(c))?;
        if let Some(row) = rows.into_iter().next() {
            found.insert(lookup, Arc::new(row.into()));
        }
    }
    Ok(found)
}

/// Articles by their ids or slugs, in no order; those that are not there are left out.
pub(super) async fn many(
    connection: &mut Connection<'_>,
    keys: Keys,
    columns: Columns,
) -> Result<Vec<Article>> {
    let select = SelectMany { columns, keys };
    let rows: Vec<Row> = run!(connection, |c| select.load(c))?;
    Ok(rows.into_iter().map(Article::from).collect())
}

impl From<BatchFailure> for Error {
    fn from(failure: BatchFailure) -> Self {
        match failure {
            BatchFailure::Full => Self::unavailable("too many lookups are waiting"),
            BatchFailure::Panicked => Self::internal("a lookup panicked"),
        }
    }
}
