//! The change feed as clients see it: arguments become a filter and a cursor, changes become objects.

use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Context, Enum, ID, Object, Request};

use super::error::{FieldError, Result};
use super::json::prewritten::One;
use super::output::Article;
use crate::article::ArticleId;
use crate::article::change::{self, ChangeFilter, FeedCursor};
use crate::error::{Error, Violation};
use crate::feed::Feed;
use crate::store::ChangesPage;

/// The most ids that `articleIds` may hold.
pub(super) const MAX_ARTICLE_IDS: usize = 1_000;

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "change::ChangeKind")]
pub(crate) enum ArticleChangeKind {
    Created,
    Updated,
    Deleted,
}

pub(crate) struct ArticleChange(pub(super) Arc<change::ArticleChange>);

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
    async fn article(&self) -> Option<One<Article>> {
        self.0.article.clone().map(Article::new).map(One)
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

/// The feed that the resolvers read.
pub(super) fn feed<'c>(ctx: &'c Context<'_>) -> Result<&'c Feed, Error> {
    ctx.data::<Feed>()
        .map_err(|error| Error::internal(error.message))
}

/// The cursor that a client gave as `after`.
pub(super) fn cursor(after: &str) -> Result<FeedCursor> {
    after
        .parse()
        .map_err(|violation: Violation| FieldError::at("after", violation))
}

/// What the arguments `kinds` and `articleIds` want. An id that is no UUID names no article.
pub(super) fn filter(
    kinds: Option<Vec<ArticleChangeKind>>,
    article_ids: Option<Vec<ID>>,
) -> Result<ChangeFilter> {
    if let Some(ids) = &article_ids
        && ids.len() > MAX_ARTICLE_IDS
    {
        return Err(FieldError::invalid(
            "articleIds",
            format!(
                "articleIds must have at most {MAX_ARTICLE_IDS} ids, but it has {}",
                ids.len()
            ),
        ));
    }
    Ok(ChangeFilter::new(
        kinds.map(|kinds| kinds.into_iter().map(Into::into).collect()),
        article_ids.map(|ids| ids.iter().filter_map(|id| ArticleId::parse(id)).collect()),
    ))
}

/// Where a subscription broke off, as its transport says.
pub(super) struct ResumeAfter(pub(super) String);

/// The answer to `articleChangesCursor`, read before the document is executed.
pub(super) struct CursorBefore(pub(super) async_graphql::Result<FeedCursor>);

/// Reads the answer to `articleChangesCursor` where the document asks for it.
///
/// The fields of a query are resolved side by side, and a cursor that is read after the list beside it would miss what
/// happened in between.
pub(super) async fn read_cursor_before(feed: &Feed, mut request: Request) -> Request {
    // A document that cannot be parsed fails when it is executed.
    let asks = request.parsed_query().is_ok_and(asks_for_cursor);
    if !asks {
        return request;
    }
    let cursor = feed.head().await.map_err(Into::into);
    request.data(CursorBefore(cursor))
}

/// Whether some operation or fragment of the document has the field `articleChangesCursor`. The root is the only type
/// that has one.
fn asks_for_cursor(document: &ExecutableDocument) -> bool {
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).any(has_cursor_field)
}

/// Looks into inline fragments, not into fields.
fn has_cursor_field(selections: &SelectionSet) -> bool {
    selections
        .items
        .iter()
        .any(|selection| match &selection.node {
            Selection::Field(field) => field.node.name.node == "articleChangesCursor",
            Selection::InlineFragment(fragment) => {
                has_cursor_field(&fragment.node.selection_set.node)
            }
            // All fragments are looked into.
            Selection::FragmentSpread(_) => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(document: &str) -> bool {
        asks_for_cursor(&async_graphql::parser::parse_query(document).unwrap())
    }

    #[test]
    fn the_cursor_is_found_wherever_the_root_has_it() {
        assert!(asks("{ articles { id } before: articleChangesCursor }"));
        assert!(asks(
            "{ ...F } fragment F on Query { articleChangesCursor }"
        ));
        assert!(asks(
            "query A { a: __typename } query B { ... on Query { ... { articleChangesCursor } } }"
        ));
        assert!(!asks(
            "{ articleChanges(after: \"articleChangesCursor\") { endCursor } }"
        ));
    }

    #[test]
    fn more_than_a_thousand_ids_are_refused() {
        let ids = |count| Some(vec![ID("x".to_owned()); count]);
        assert!(filter(None, ids(1_000)).is_ok_and(|filter| filter.matches_nothing()));
        assert_eq!(
            filter(None, ids(1_001)).unwrap_err().to_string(),
            "articleIds must have at most 1000 ids, but it has 1001"
        );
    }
}
