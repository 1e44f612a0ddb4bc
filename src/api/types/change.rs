//! Changes of articles.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};

use super::Article;
use crate::api::json::prewritten::PrewrittenObject;
use crate::article::change::{self, FeedCursor};
use crate::store::ChangesPage;

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "change::ChangeKind")]
pub(crate) enum ArticleChangeKind {
    Created,
    Updated,
    Deleted,
}

pub(crate) struct ArticleChange(pub(in crate::api) Arc<change::ArticleChange>);

#[Object]
impl ArticleChange {
    /// Where this change stands in the feed. Subscribe again with it as `after` to go on where you stopped.
    async fn cursor(&self) -> String {
        self.0.cursor.to_string()
    }

    async fn kind(&self) -> ArticleChangeKind {
        self.0.kind.into()
    }

    async fn article_id(&self) -> ID {
        ID(self.0.article_id.to_string())
    }

    /// The article as the change left it, however often it has been changed since; null when it was deleted.
    async fn article(&self) -> Option<PrewrittenObject<Article>> {
        self.0
            .article
            .clone()
            .map(Article::new)
            .map(PrewrittenObject)
    }
}

pub(crate) struct ArticleChangePage {
    changes: Vec<ArticleChange>,
    end: FeedCursor,
    has_more: bool,
}

impl From<ChangesPage> for ArticleChangePage {
    fn from(page: ChangesPage) -> Self {
        let changes = page.changes.into_iter();
        Self {
            changes: changes.map(Arc::new).map(ArticleChange).collect(),
            end: page.end,
            has_more: page.has_more,
        }
    }
}

#[Object]
impl ArticleChangePage {
    async fn changes(&self) -> &[ArticleChange] {
        &self.changes
    }

    /// Poll on with it, also when no change matched.
    async fn end_cursor(&self) -> String {
        self.end.to_string()
    }

    /// Whether to poll on at once. A page looks at a bounded part of the feed, so it may be empty although more follows.
    async fn has_more(&self) -> bool {
        self.has_more
    }
}
