//! Reads the cursor of the change feed before the lists in the same query.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use crate::article::change::FeedCursor;
use crate::feed::Feed;

/// The value of `articleChangesCursor`, read before the document is executed.
pub(super) struct CursorBefore(pub(super) async_graphql::Result<FeedCursor>);

/// Reads `articleChangesCursor` where the document selects it.
///
/// The fields of a query are resolved concurrently, and a cursor that is read after a list would skip the changes in
/// between.
pub(super) async fn read_cursor_before(
    feed: &Feed,
    document: &ExecutableDocument,
) -> Option<CursorBefore> {
    match asks_for_cursor(document) {
        true => Some(CursorBefore(feed.head().await.map_err(Into::into))),
        false => None,
    }
}

/// Whether any operation or fragment of the document selects `articleChangesCursor`. Only the root type has that field.
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

/// Checks inline fragments, but not the selections of fields.
fn has_cursor_field(selections: &SelectionSet) -> bool {
    selections
        .items
        .iter()
        .any(|selection| match &selection.node {
            Selection::Field(field) => field.node.name.node == "articleChangesCursor",
            Selection::InlineFragment(fragment) => {
                has_cursor_field(&fragment.node.selection_set.node)
            }
            // All fragments are checked separately.
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
}
