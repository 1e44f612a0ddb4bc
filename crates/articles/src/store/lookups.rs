//! Lookups of single articles by id or slug: those of different requests are batched into one statement.
//!
//! Decision: `docs/decisions/0002-coalescing.md`.

use std::sync::{Arc, Weak};

use foldhash::{HashMap, HashMapExt as _};
use futures_util::FutureExt as _;

use super::connection::{Connection, read_rows, run};
use super::sql::select::{Keys, SelectMany, SelectOne};
use super::sql::stored::Row;
use super::{Access, Inner, Store};
use crate::article::{Article, ArticleKey, Columns};
use crate::error::{Error, Result};
use coalesce::{BatchFailure, BatchLimits, Batcher};

/// Batches the lookups of a store.
pub(super) type Lookups = Batcher<Lookup, Found, Error>;

/// The maximum bytes of text that one batch reads, not counting the last article: the lookups may belong to hundreds of
/// requests, or to one whose budget is too small for them. The rest are looked up one by one.
const LOAD_BYTES: usize = 8 * 1024 * 1024;

/// A lookup, and the columns that it selects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lookup {
    key: ArticleKey,
    columns: Columns,
}

/// The result of a lookup.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Article(Arc<Article>),
    /// Not read, because the other articles' texts were too large.
    LeftOut(Lookup),
}

impl Store {
    /// One article by its id or slug.
    pub async fn article(&self, key: ArticleKey, columns: Columns) -> Result<Option<Arc<Article>>> {
        match self.0.lookups.get(Lookup { key, columns }).await? {
            None => Ok(None),
            Some(Found::Article(article)) => Ok(Some(article)),
            Some(Found::LeftOut(lookup)) => Box::pin(self.article_alone(lookup)).await,
        }
    }

    async fn article_alone(&self, lookup: Lookup) -> Result<Option<Arc<Article>>> {
        self.run(Access::Read, |connection| {
            Box::pin(async move { Ok(one(connection, &lookup).await?.map(Arc::new)) })
        })
        .await
    }
}

/// The batcher of a store, which owns it.
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
) -> Result<HashMap<Lookup, Found>> {
    // Where a statement costs no round trip, many small prepared statements are faster than a large one.
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
    let mut budget = TextBudget::default();
    if !ids.is_empty() {
        let read = |article: Article| {
            let has_room = budget.take(&article);
            by_id.insert(article.id, Arc::new(article));
            Ok(has_room)
        };
        many(connection, Keys::Ids(ids), columns, read).await?;
    }
    if !slugs.is_empty() && budget.is_left() {
        let read = |article: Article| {
            let has_room = budget.take(&article);
            by_slug.insert(article.slug.clone(), Arc::new(article));
            Ok(has_room)
        };
        many(connection, Keys::Slugs(slugs), columns, read).await?;
    }
    let mut found = HashMap::with_capacity(lookups.len());
    for lookup in lookups {
        let article = match &lookup.key {
            ArticleKey::Id(id) => by_id.get(id),
            ArticleKey::Slug(slug) => by_slug.get(slug),
        };
        if let Some(article) = article {
            found.insert(lookup, Found::Article(Arc::clone(article)));
        } else if !budget.is_left() {
            found.insert(lookup.clone(), Found::LeftOut(lookup));
        }
    }
    Ok(found)
}

async fn one_by_one(
    connection: &mut Connection<'_>,
    lookups: Vec<Lookup>,
) -> Result<HashMap<Lookup, Found>> {
    let mut found = HashMap::with_capacity(lookups.len());
    let mut budget = TextBudget::default();
    for lookup in lookups {
        if !budget.is_left() {
            found.insert(lookup.clone(), Found::LeftOut(lookup));
        } else if let Some(article) = one(connection, &lookup).await? {
            budget.take(&article);
            found.insert(lookup, Found::Article(Arc::new(article)));
        }
    }
    Ok(found)
}

async fn one(connection: &mut Connection<'_>, lookup: &Lookup) -> Result<Option<Article>> {
    let select = SelectOne {
        columns: lookup.columns,
        key: lookup.key.clone(),
    };
    let rows: Vec<Row> = run!(connection, |c| select.load(c))?;
    Ok(rows.into_iter().next().map(Article::from))
}

/// Reads articles by their ids or slugs, in no particular order, until `read` returns `false`; those that do not exist
/// are left out.
pub(super) async fn many(
    connection: &mut Connection<'_>,
    keys: Keys,
    columns: Columns,
    mut read: impl FnMut(Article) -> Result<bool>,
) -> Result<()> {
    let select = SelectMany { columns, keys };
    read_rows!(connection, select, Row, |row| {
        if !read(row.into())? {
            break;
        }
    });
    Ok(())
}

/// The bytes of text that a batch has read.
#[derive(Default)]
struct TextBudget {
    used: usize,
}

impl TextBudget {
    /// Counts an article, and returns whether there is room for another.
    fn take(&mut self, article: &Article) -> bool {
        self.used += article.text.len();
        self.is_left()
    }

    fn is_left(&self) -> bool {
        self.used < LOAD_BYTES
    }
}

impl From<BatchFailure> for Error {
    fn from(failure: BatchFailure) -> Self {
        match failure {
            BatchFailure::Full => Self::unavailable("too many lookups are waiting"),
            BatchFailure::Panicked => Self::internal("a lookup panicked"),
        }
    }
}
